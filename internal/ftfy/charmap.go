package ftfy

import (
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// An encoding is a table of 256 characters, by which bytes were (or might have been) misread as text.
type encoding struct {
	name   string
	runes  [256]rune
	bytes  map[rune]byte
	sloppy bool
}

// sloppyEncoding gives the bytes that an encoding leaves undefined their Latin-1 meaning, as programs do, and lets byte
// 1A stand for U+FFFD, a byte whose value was lost.
func sloppyEncoding(name string, table *charmap.Charmap) *encoding {
	return newEncoding(name, true, func(b byte) rune {
		if r := table.DecodeByte(b); r != utf8.RuneError {
			return r
		}
		return rune(b)
	})
}

func newEncoding(name string, sloppy bool, decode func(byte) rune) *encoding {
	e := &encoding{name: name, sloppy: sloppy, bytes: map[rune]byte{}}
	for b := range 256 {
		e.runes[b] = decode(byte(b))
	}
	if sloppy {
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
	latin1      = newEncoding("Latin-1", false, func(b byte) rune { return rune(b) })
	windows1252 = sloppyEncoding("Windows-1252", charmap.Windows1252)
	windows1251 = sloppyEncoding("Windows-1251", charmap.Windows1251)
	windows1250 = sloppyEncoding("Windows-1250", charmap.Windows1250)
	windows1253 = sloppyEncoding("Windows-1253", charmap.Windows1253)
	windows1254 = sloppyEncoding("Windows-1254", charmap.Windows1254)
	windows1257 = sloppyEncoding("Windows-1257", charmap.Windows1257)
	latin2      = newEncoding("ISO 8859-2", false, charmap.ISO8859_2.DecodeByte)
	macRoman    = newEncoding("Mac Roman", false, charmap.Macintosh.DecodeByte)
	dos437      = newEncoding("DOS 437", false, charmap.CodePage437.DecodeByte)
)

// misreadings are the encodings that UTF-8 is most often misread in, in the order in which they are tried.
var misreadings = []*encoding{
	latin1, windows1252, windows1251, windows1250, windows1253, windows1254, windows1257, latin2, macRoman, dos437,
}
