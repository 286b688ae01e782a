package torch

import (
	"math"
	"slices"
	"strings"
)

// The callables that are interpreted, besides the storage types.
var (
	rebuildTensor    = class{"torch._utils", "_rebuild_tensor"}
	rebuildTensor2   = class{"torch._utils", "_rebuild_tensor_v2"}
	rebuildParameter = class{"torch._utils", "_rebuild_parameter"}
	orderedDict      = class{"collections", "OrderedDict"}
)

// scriptPrefix begins the module of a class that TorchScript compiled.
const scriptPrefix = "__torch__"

// global pushes the name of a class. Nothing is imported.
func (m *machine) global(op byte) error {
	if op == 0x93 { // STACK_GLOBAL
		values, err := m.popN(2)
		if err != nil {
			return err
		}
		module, ok := values[0].(string)
		name, ok2 := values[1].(string)
		if !ok || !ok2 {
			return m.fail(RuleStack, "a class whose names are no strings")
		}
		return m.push(class{module, name})
	}
	module, err := m.line()
	if err != nil {
		return err
	}
	name, err := m.line()
	if err != nil {
		return err
	}
	return m.push(class{module, name})
}

// call carries out what looks like a call: REDUCE, NEWOBJ, NEWOBJ_EX, BUILD and BINPERSID.
func (m *machine) call(op byte) error {
	if op == 'Q' {
		id, err := m.pop()
		if err != nil {
			return err
		}
		s, err := m.storage(id)
		if err != nil {
			return err
		}
		return m.push(s)
	}
	n := 2
	if op == 0x92 {
		n = 3
	}
	values, err := m.popN(n)
	if err != nil {
		return err
	}
	if op == 'b' {
		return m.build(values[0], values[1])
	}
	made, err := m.made(values[0], values[1])
	if err != nil {
		return err
	}
	return m.push(made)
}

// build gives an object its state: TorchScript modules keep it, everything else loses it.
func (m *machine) build(of, state any) error {
	if o, ok := of.(*object); ok && o.isScript() {
		o.state = state
	}
	return m.push(of)
}

func (o *object) isScript() bool {
	return o.class.module == scriptPrefix || strings.HasPrefix(o.class.module, scriptPrefix+".")
}

// made is what comes of calling a callable with arguments.
func (m *machine) made(callable, arguments any) (any, error) {
	c, ok := callable.(class)
	if !ok {
		return &object{}, nil // such as a call of an inert object's method
	}
	args, _ := arguments.([]any)
	switch c {
	case rebuildTensor, rebuildTensor2:
		return m.tensor(args)
	case rebuildParameter:
		if len(args) > 0 {
			return args[0], nil
		}
		return nil, m.fail(RuleStack, "a parameter of nothing")
	case orderedDict:
		return m.orderedDict(args)
	}
	o := &object{class: c}
	if !o.isScript() {
		m.ignored[c] = true
	}
	return o, nil
}

// orderedDict is called with nothing, or with one list of pairs.
func (m *machine) orderedDict(args []any) (any, error) {
	d := &dict{}
	if len(args) == 0 {
		return d, nil
	}
	for _, item := range items(args[0]) {
		p := items(item)
		if len(p) != 2 {
			return nil, m.fail(RuleStack, "an OrderedDict of something else than pairs")
		}
		if m.objects++; m.objects > maxObjects {
			return nil, m.fail(RuleObjects, "one pair more")
		}
		d.set(p[0], p[1])
	}
	return d, nil
}

// items are those of a list or a tuple.
func items(value any) []any {
	if l, ok := value.(*list); ok {
		return l.items
	}
	tuple, _ := value.([]any)
	return tuple
}

// storage opens a persistent id: ('storage', type, key, device, numel). A storage of another type is inert.
func (m *machine) storage(id any) (any, error) {
	parts := items(id)
	if len(parts) < 5 || parts[0] != any("storage") {
		return nil, m.fail(RuleStorage, "a persistent id that names no storage")
	}
	c, _ := parts[1].(class)
	dtype, known := storageTypes[c.name]
	if !known || c.module != "torch" {
		m.ignored[c] = true
		return &object{class: c}, nil
	}
	key, isText := parts[2].(string)
	numel, isNumber := parts[4].(int64)
	if !isText || !isNumber || numel < 0 {
		return nil, m.fail(RuleStorage, "a storage without a key or a number of elements")
	}
	s := &storage{key, dtype, numel}
	have, found := m.bytes(s)
	if !found {
		return nil, m.fail(RuleStorage, "storage %q has no member", key)
	}
	if numel > have/dtype.Size() {
		return nil, m.fail(RuleStorage, "storage %q claims %d elements of type %s, its member has %d bytes", key, numel, dtype, have)
	}
	return s, nil
}

// tensor makes a view from (storage, offset, size, stride, ...).
func (m *machine) tensor(args []any) (any, error) {
	if len(args) < 4 {
		return nil, m.fail(RuleShape, "a tensor of %d arguments", len(args))
	}
	s, ok := args[0].(*storage)
	if !ok {
		return &object{class: rebuildTensor2}, nil // of an inert storage
	}
	v := &view{storage: s, madeAt: int64(m.opcode)}
	v.offset, ok = args[1].(int64)
	var shaped, strided bool
	v.shape, shaped = sizes(args[2])
	v.strides, strided = sizes(args[3])
	if !ok || v.offset < 0 || !shaped || !strided || len(v.shape) != len(v.strides) {
		return nil, m.fail(RuleShape, "a tensor of storage %q", s.key)
	}
	if err := m.place(v); err != nil {
		return nil, err
	}
	m.views = append(m.views, v)
	return v, nil
}

// sizes are at most maxRank non-negative integers below 2^40, so that products of two do not wrap around unseen.
func sizes(value any) ([]int, bool) {
	given := items(value)
	if len(given) > maxRank {
		return nil, false
	}
	out := make([]int, len(given))
	for i, d := range given {
		n, ok := d.(int64)
		if !ok || n < 0 || n > 1<<40 {
			return nil, false
		}
		out[i] = int(n)
	}
	return out, true
}

// place checks that a view lies inside its storage, each element at a place of its own.
func (m *machine) place(v *view) error {
	last, ok := v.offset, true
	v.elements = 1
	for i, d := range v.shape {
		if d == 0 {
			v.elements = 0
			return nil
		}
		step, fits := product(int64(d-1), int64(v.strides[i]))
		last, ok = last+step, ok && fits && last <= math.MaxInt64-step
		v.elements, fits = product(v.elements, int64(d))
		ok = ok && fits
	}
	if !ok || last >= v.storage.numel {
		return m.fail(RuleRange, "shape %v, strides %v from element %d of storage %q, which has %d", v.shape, v.strides, v.offset, v.storage.key, v.storage.numel)
	}
	if v.overlaps() {
		return m.fail(RuleOverlap, "shape %v, strides %v in storage %q", v.shape, v.strides, v.storage.key)
	}
	return nil
}

func product(a, b int64) (int64, bool) {
	if a != 0 && b > math.MaxInt64/a {
		return 0, false
	}
	return a * b, true
}

// overlaps tells whether a dimension steps less than what the dimensions inside it span.
func (v *view) overlaps() bool {
	order := make([]int, 0, len(v.shape))
	for i, d := range v.shape {
		if d > 1 {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(i, j int) int { return v.strides[i] - v.strides[j] })
	span := 1
	for _, i := range order {
		if v.strides[i] < span {
			return true
		}
		span += (v.shape[i] - 1) * v.strides[i]
	}
	return false
}
