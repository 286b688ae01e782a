package torch

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"
)

// machine runs a pickle. It has a stack, marks on it, and a memo; each opcode takes from and puts to those.
type machine struct {
	member  string
	text    []byte
	at      int // the next byte
	opcode  int // where the present opcode stands
	stack   []any
	marks   []int
	memo    map[uint64]any
	objects int
	ignored map[class]bool
	bytes   func(*storage) (int64, bool) // the size of a storage's member
	views   []*view
}

// unpickle returns what the pickle makes, and the classes that were not interpreted. storageBytes gives the size of the member
// that holds a storage.
func unpickle(member string, text []byte, storageBytes func(*storage) (int64, bool)) (any, *machine, error) {
	m := &machine{member: member, text: text, memo: map[uint64]any{}, ignored: map[class]bool{}, bytes: storageBytes}
	for {
		m.opcode = m.at
		op, err := m.byte()
		if err != nil {
			return nil, nil, err
		}
		if op == '.' {
			top, err := m.pop()
			return top, m, err
		}
		if err := m.step(op); err != nil {
			return nil, nil, err
		}
	}
}

func (m *machine) fail(rule Rule, format string, args ...any) error {
	return broken(rule, m.member, int64(m.opcode), format, args...)
}

// step carries one opcode out. The opcodes are those that Python's and PyTorch's own picklers write for protocols 2 to 5.
func (m *machine) step(op byte) error {
	switch op {
	case 0x80: // PROTO
		return m.protocol()
	case 0x95: // FRAME
		_, err := m.length(8)
		return err
	case '(': // MARK
		if len(m.marks) == maxMarks {
			return m.fail(RuleMarks, "one mark more")
		}
		m.marks = append(m.marks, len(m.stack))
		return nil
	case '0': // POP
		_, err := m.pop()
		return err
	case '1': // POP_MARK
		_, err := m.popMark()
		return err
	case '2': // DUP
		top, err := m.top()
		if err != nil {
			return err
		}
		return m.push(top)
	case 'N':
		return m.push(nil)
	case 0x88:
		return m.push(true)
	case 0x89:
		return m.push(false)
	case 'K', 'M', 'J', 'G', 0x8a, 0x8b:
		return m.number(op)
	case 'X', 0x8c, 0x8d, 'U', 'T', 'B', 'C', 0x8e, 0x96:
		return m.text8(op)
	case ')', ']', '}', 0x8f, 't', 'l', 'd', 0x85, 0x86, 0x87, 0x91:
		return m.collection(op)
	case 'a', 'e', 's', 'u', 0x90:
		return m.fill(op)
	case 'c', 0x93:
		return m.global(op)
	case 'R', 0x81, 0x92, 'b', 'Q':
		return m.call(op)
	case 'q', 'r', 0x94, 'h', 'j':
		return m.remember(op)
	}
	return m.fail(RuleOpcode, "the opcode %#02x", op)
}

func (m *machine) protocol() error {
	version, err := m.byte()
	if err == nil && (version < 2 || version > 5) {
		return m.fail(RuleOpcode, "protocol %d", version)
	}
	return err
}

func (m *machine) byte() (byte, error) {
	if m.at == len(m.text) {
		return 0, m.fail(RuleEnd, "the pickle has %d bytes and no STOP", len(m.text))
	}
	m.at++
	return m.text[m.at-1], nil
}

// take returns the next n bytes, which alias the pickle.
func (m *machine) take(n uint64) ([]byte, error) {
	if n > uint64(len(m.text)-m.at) {
		return nil, m.fail(RuleLength, "%d bytes are wanted, %d follow", n, len(m.text)-m.at)
	}
	m.at += int(n)
	return m.text[m.at-int(n) : m.at], nil
}

// length reads an unsigned little-endian number of size bytes, and holds it against what follows.
func (m *machine) length(size uint64) (uint64, error) {
	n, err := m.unsigned(size)
	if err == nil && n > uint64(len(m.text)-m.at) {
		return 0, m.fail(RuleLength, "%d bytes are announced, %d follow", n, len(m.text)-m.at)
	}
	return n, err
}

func (m *machine) unsigned(size uint64) (uint64, error) {
	data, err := m.take(size)
	if err != nil {
		return 0, err
	}
	var wide [8]byte
	copy(wide[:], data)
	return binary.LittleEndian.Uint64(wide[:]), nil
}

func (m *machine) line() (string, error) {
	end := slices.Index(m.text[m.at:], '\n')
	if end < 0 {
		return "", m.fail(RuleLength, "a line without an end")
	}
	m.at += end + 1
	return string(m.text[m.at-end-1 : m.at-1]), nil
}

func (m *machine) push(value any) error {
	if m.objects++; m.objects > maxObjects {
		return m.fail(RuleObjects, "one object more")
	}
	m.stack = append(m.stack, value)
	return nil
}

// floor is where the stack ends for opcodes that take one value: at the newest mark.
func (m *machine) floor() int {
	if len(m.marks) == 0 {
		return 0
	}
	return m.marks[len(m.marks)-1]
}

func (m *machine) top() (any, error) {
	if len(m.stack) <= m.floor() {
		return nil, m.fail(RuleStack, "the stack is empty")
	}
	return m.stack[len(m.stack)-1], nil
}

func (m *machine) pop() (any, error) {
	top, err := m.top()
	if err == nil {
		m.stack = m.stack[:len(m.stack)-1]
	}
	return top, err
}

// popN returns the upper n values, in order.
func (m *machine) popN(n int) ([]any, error) {
	if len(m.stack)-m.floor() < n {
		return nil, m.fail(RuleStack, "%d values are wanted, the stack has %d", n, len(m.stack)-m.floor())
	}
	values := slices.Clone(m.stack[len(m.stack)-n:])
	m.stack = m.stack[:len(m.stack)-n]
	return values, nil
}

// popMark returns the values above the newest mark, which goes.
func (m *machine) popMark() ([]any, error) {
	if len(m.marks) == 0 {
		return nil, m.fail(RuleStack, "there is no mark")
	}
	values, err := m.popN(len(m.stack) - m.floor())
	m.marks = m.marks[:len(m.marks)-1]
	return values, err
}

func (m *machine) number(op byte) error {
	size := map[byte]uint64{'K': 1, 'M': 2, 'J': 4, 'G': 8}[op]
	if op == 0x8a || op == 0x8b {
		return m.long(map[byte]uint64{0x8a: 1, 0x8b: 4}[op])
	}
	data, err := m.take(size)
	if err != nil {
		return err
	}
	switch op {
	case 'K':
		return m.push(int64(data[0]))
	case 'M':
		return m.push(int64(binary.LittleEndian.Uint16(data)))
	case 'J':
		return m.push(int64(int32(binary.LittleEndian.Uint32(data))))
	}
	return m.push(math.Float64frombits(binary.BigEndian.Uint64(data)))
}

// long reads a two's complement number. Those that do not fit 64 bits are no sizes; they stay inert.
func (m *machine) long(size uint64) error {
	n, err := m.length(size)
	if err != nil {
		return err
	}
	data, err := m.take(n)
	if err != nil {
		return err
	}
	if n > 8 {
		return m.push(&object{class: class{"builtins", "int"}})
	}
	var wide [8]byte
	if n > 0 && data[n-1]&0x80 != 0 {
		wide = [8]byte{255, 255, 255, 255, 255, 255, 255, 255}
	}
	copy(wide[:], data)
	return m.push(int64(binary.LittleEndian.Uint64(wide[:])))
}

// text8 reads strings and byte strings, whose lengths have 1, 4 or 8 bytes.
func (m *machine) text8(op byte) error {
	size := uint64(4)
	switch op {
	case 0x8c, 'U', 'C':
		size = 1
	case 0x8d, 0x8e, 0x96:
		size = 8
	}
	n, err := m.length(size)
	if err != nil {
		return err
	}
	data, err := m.take(n)
	if err != nil {
		return err
	}
	if strings.IndexByte("BC\x8e\x96", op) >= 0 {
		return m.push(data)
	}
	return m.push(string(data))
}

func (m *machine) collection(op byte) error {
	switch op {
	case ')':
		return m.push([]any{})
	case ']', 0x8f:
		return m.push(&list{})
	case '}':
		return m.push(&dict{})
	case 0x85, 0x86, 0x87:
		values, err := m.popN(int(op - 0x84))
		if err != nil {
			return err
		}
		return m.push(values)
	}
	values, err := m.popMark()
	if err != nil {
		return err
	}
	switch op {
	case 't', 0x91:
		return m.push(values)
	case 'l':
		return m.push(&list{values})
	}
	d := &dict{}
	if err := m.push(d); err != nil {
		return err
	}
	return m.setAll(d, values)
}

// fill puts values into the collection below them. Inert objects swallow what they are given.
func (m *machine) fill(op byte) error {
	values, err := m.filling(op)
	if err != nil {
		return err
	}
	into, err := m.top()
	if err != nil {
		return err
	}
	switch into := into.(type) {
	case *list:
		if op == 's' || op == 'u' {
			return m.fail(RuleStack, "keys for a list")
		}
		into.items = append(into.items, values...)
	case *dict:
		if op != 's' && op != 'u' {
			return m.fail(RuleStack, "items for a dictionary")
		}
		return m.setAll(into, values)
	case *object:
	default:
		return m.fail(RuleStack, "%T is no collection", into)
	}
	return nil
}

// filling takes what fill puts: one value, a pair, or all above the mark.
func (m *machine) filling(op byte) ([]any, error) {
	switch op {
	case 'a':
		return m.popN(1)
	case 's':
		return m.popN(2)
	}
	return m.popMark()
}

func (m *machine) setAll(d *dict, values []any) error {
	if len(values)%2 != 0 {
		return m.fail(RuleStack, "%d values are no pairs", len(values))
	}
	for i := 0; i < len(values); i += 2 {
		d.set(values[i], values[i+1])
	}
	return nil
}

func (m *machine) remember(op byte) error {
	key := uint64(len(m.memo)) // of MEMOIZE
	if size, ok := map[byte]uint64{'q': 1, 'h': 1, 'r': 4, 'j': 4}[op]; ok {
		var err error
		if key, err = m.unsigned(size); err != nil {
			return err
		}
	}
	if op == 'h' || op == 'j' {
		value, ok := m.memo[key]
		if !ok {
			return m.fail(RuleMemo, "number %d", key)
		}
		return m.push(value)
	}
	top, err := m.top()
	if err != nil {
		return err
	}
	if m.objects++; m.objects > maxObjects {
		return m.fail(RuleObjects, "one memo entry more")
	}
	m.memo[key] = top
	return nil
}
