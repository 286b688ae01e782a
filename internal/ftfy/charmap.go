package ftfy

import (
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// An encoding is a table of 256 characters, by which bytes were (or might have been) misread as text. Bytes that it leaves
// undefined have their Latin-1 meaning, as they have in programs.
type encoding struct {
	runes [256]rune
	bytes map[rune]byte
	lossy bool // byte 1A stands for U+FFFD, a byte whose value was lost
}

func newEncoding(table *charmap.Charmap, lossy bool) *encoding {
	e := &encoding{bytes: map[rune]byte{}, lossy: lossy}
	for b := range 256 {
		e.runes[b] = table.DecodeByte(byte(b))
		if e.runes[b] == utf8.RuneError {
			e.runes[b] = rune(b)
		}
	}
	if lossy {
		e.runes[lostByte] = utf8.RuneError
	}
	for b, r := range e.runes {
		e.bytes[r] = byte(b)
	}
	return e
}

// lostByte stands in for a byte that some program replaced by U+FFFD.
const lostByte = 0x1A

func (e *encoding) decode(b byte) rune { return e.runes[b] }

// encode returns the bytes that e reads as s, and false when there are none.
func (e *encoding) encode(s string) ([]byte, bool) {
	out := make([]byte, 0, len(s))
	for _, r := range s {
		b, ok := e.bytes[r]
		if !ok {
			return nil, false
		}
		out = append(out, b)
	}
	return out, true
}

var (
	latin1      = newEncoding(charmap.ISO8859_1, false)
	windows1252 = newEncoding(charmap.Windows1252, true)
	windows1251 = newEncoding(charmap.Windows1251, true)
	windows1250 = newEncoding(charmap.Windows1250, true)
	windows1253 = newEncoding(charmap.Windows1253, true)
	windows1254 = newEncoding(charmap.Windows1254, true)
	windows1257 = newEncoding(charmap.Windows1257, true)
	latin2      = newEncoding(charmap.ISO8859_2, false)
	macRoman    = newEncoding(charmap.Macintosh, false)
	dos437      = newEncoding(charmap.CodePage437, false)
)

// misreadings are the encodings that UTF-8 is most often misread in, in the order in which they are tried.
var misreadings = []*encoding{
	latin1, windows1252, windows1251, windows1250, windows1253, windows1254, windows1257, latin2, macRoman, dos437,
}
