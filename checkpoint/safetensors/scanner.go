package safetensors

import (
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// scanner reads the header's JSON by its fixed grammar, token by token: what the grammar has no place for, such as a
// nested object or a second key of the same name, is refused where it stands, so depth and duplicates cost nothing.
type scanner struct {
	text []byte
	at   int
}

func (s *scanner) fail(rule Rule, format string, args ...any) error {
	return broken(rule, lengthBytes+int64(s.at), format, args...)
}

// header reads the whole text: one object, then spaces.
func (s *scanner) header() (header, error) {
	var h header
	seen := map[string]bool{}
	err := s.object(RuleHeaderJSON, func(name string) error {
		if seen[name] {
			return s.fail(RuleUnique, "the name %q occurs twice", name)
		}
		seen[name] = true
		if name == metadataName {
			return s.metadata(&h)
		}
		return s.tensor(&h, name)
	})
	if err != nil {
		return h, err
	}
	for ; s.at < len(s.text); s.at++ {
		if s.text[s.at] != ' ' {
			return h, s.fail(RuleHeaderJSON, "the byte %#02x follows the header's object", s.text[s.at])
		}
	}
	return h, nil
}

func (s *scanner) metadata(h *header) error {
	h.metadata = map[string]string{}
	return s.object(RuleMetadata, func(key string) error {
		if _, twice := h.metadata[key]; twice {
			return s.fail(RuleUnique, "the metadata key %q occurs twice", key)
		}
		value, err := s.str(RuleMetadata)
		h.metadata[key] = value
		return err
	})
}

func (s *scanner) tensor(h *header, name string) error {
	if len(name) > MaxNameBytes {
		return s.fail(RuleName, "a name of %d bytes", len(name))
	}
	if len(h.tensors) == MaxTensors {
		return s.fail(RuleCount, "more than %d tensors", MaxTensors)
	}
	t := Tensor{Name: name}
	seen := map[string]bool{}
	err := s.object(RuleFields, func(field string) error {
		if seen[field] {
			return s.fail(RuleUnique, "tensor %q has %s twice", name, field)
		}
		seen[field] = true
		return s.field(&t, field)
	})
	if err != nil {
		return err
	}
	if len(seen) != 3 {
		return s.fail(RuleFields, "tensor %q has only %d of dtype, shape and data_offsets", name, len(seen))
	}
	size, fits := byteSize(t.Shape, t.DType)
	if !fits || size != t.End-t.Begin {
		return s.fail(RuleSize, "tensor %q of shape %v and dtype %s does not fill its %d bytes", name, t.Shape, t.DType, t.End-t.Begin)
	}
	h.tensors = append(h.tensors, t)
	return nil
}

func (s *scanner) field(t *Tensor, field string) error {
	switch field {
	case "dtype":
		name, err := s.str(RuleDType)
		if err != nil {
			return err
		}
		t.DType = DType(name)
		if t.DType.Size() == 0 {
			return s.fail(RuleDType, "tensor %q has the unknown dtype %q", t.Name, name)
		}
		return nil
	case "shape":
		dims, err := s.integers(RuleShape, MaxRank)
		if err != nil {
			return err
		}
		t.Shape = make([]int, len(dims))
		for i, d := range dims {
			if d > math.MaxInt {
				return s.fail(RuleShape, "tensor %q has the dimension %d", t.Name, d)
			}
			t.Shape[i] = int(d)
		}
		return nil
	case "data_offsets":
		ends, err := s.integers(RuleOffsets, 2)
		if err != nil {
			return err
		}
		if len(ends) != 2 || ends[0] > ends[1] {
			return s.fail(RuleOffsets, "tensor %q has the data_offsets %v", t.Name, ends)
		}
		t.Begin, t.End = ends[0], ends[1]
		return nil
	}
	return s.fail(RuleFields, "tensor %q has the unknown field %q", t.Name, field)
}

// object reads {"key": value, ...} and calls value with each key, which must consume the value.
func (s *scanner) object(rule Rule, value func(key string) error) error {
	if err := s.expect(rule, '{'); err != nil {
		return err
	}
	if s.accept('}') {
		return nil
	}
	for {
		key, err := s.str(rule)
		if err != nil {
			return err
		}
		if err := s.expect(rule, ':'); err != nil {
			return err
		}
		if err := value(key); err != nil {
			return err
		}
		if s.accept('}') {
			return nil
		}
		if err := s.expect(rule, ','); err != nil {
			return err
		}
	}
}

// integers reads an array of at most limit non-negative integers.
func (s *scanner) integers(rule Rule, limit int) ([]int64, error) {
	if err := s.expect(rule, '['); err != nil {
		return nil, err
	}
	var out []int64
	if s.accept(']') {
		return out, nil
	}
	for {
		if len(out) == limit {
			return nil, s.fail(rule, "more than %d numbers", limit)
		}
		n, err := s.integer(rule)
		if err != nil {
			return nil, err
		}
		out = append(out, n)
		if s.accept(']') {
			return out, nil
		}
		if err := s.expect(rule, ','); err != nil {
			return nil, err
		}
	}
}

// integer reads 0 or digits without a leading zero. A sign, a fraction or an exponent is left for the caller to trip over.
func (s *scanner) integer(rule Rule) (int64, error) {
	s.space()
	start := s.at
	for s.at < len(s.text) && s.text[s.at] >= '0' && s.text[s.at] <= '9' {
		s.at++
	}
	digits := string(s.text[start:s.at])
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || (len(digits) > 1 && digits[0] == '0') {
		return 0, s.fail(rule, "%s is no non-negative integer below 2^63", s.excerpt(start))
	}
	return n, nil
}

// str reads a JSON string. Unpaired surrogates are refused, not replaced: two names must never become one.
func (s *scanner) str(rule Rule) (string, error) {
	if err := s.expect(rule, '"'); err != nil {
		return "", err
	}
	var out []byte
	for s.at < len(s.text) {
		c := s.text[s.at]
		s.at++
		switch {
		case c == '"':
			return string(out), nil
		case c < 0x20:
			return "", s.fail(rule, "the control byte %#02x in a string", c)
		case c == '\\':
			r, ok := s.escape()
			if !ok {
				return "", s.fail(rule, "an escape in a string that JSON does not know")
			}
			out = utf8.AppendRune(out, r)
		default:
			out = append(out, c)
		}
	}
	return "", s.fail(rule, "a string without an end")
}

// escape reads what follows a backslash.
func (s *scanner) escape() (rune, bool) {
	if s.at == len(s.text) {
		return 0, false
	}
	c := s.text[s.at]
	s.at++
	switch c {
	case '"', '\\', '/':
		return rune(c), true
	case 'b':
		return '\b', true
	case 'f':
		return '\f', true
	case 'n':
		return '\n', true
	case 'r':
		return '\r', true
	case 't':
		return '\t', true
	case 'u':
		return s.unicodeEscape()
	}
	return 0, false
}

func (s *scanner) unicodeEscape() (rune, bool) {
	r, ok := s.hex4()
	if !ok || !utf16.IsSurrogate(r) {
		return r, ok
	}
	if s.at+2 > len(s.text) || s.text[s.at] != '\\' || s.text[s.at+1] != 'u' {
		return 0, false
	}
	s.at += 2
	low, ok := s.hex4()
	pair := utf16.DecodeRune(r, low)
	return pair, ok && pair != utf8.RuneError
}

func (s *scanner) hex4() (rune, bool) {
	if s.at+4 > len(s.text) {
		return 0, false
	}
	n, err := strconv.ParseUint(string(s.text[s.at:s.at+4]), 16, 32)
	s.at += 4
	return rune(n), err == nil
}

// expect consumes white space and the byte c.
func (s *scanner) expect(rule Rule, c byte) error {
	if s.accept(c) {
		return nil
	}
	return s.fail(rule, "expected %q, found %s", c, s.excerpt(s.at))
}

// accept consumes white space and, if it comes next, the byte c.
func (s *scanner) accept(c byte) bool {
	s.space()
	if s.at == len(s.text) || s.text[s.at] != c {
		return false
	}
	s.at++
	return true
}

func (s *scanner) space() {
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return
		}
	}
}

// excerpt quotes a few bytes for an error message.
func (s *scanner) excerpt(from int) string {
	if from >= len(s.text) {
		return "the end of the header"
	}
	return strconv.QuoteToASCII(string(s.text[from:min(from+16, len(s.text))]))
}
