package torch

// What a pickle is made of. Beside these stand nil, bool, int64, float64, string, []byte and []any, which is a tuple.

type list struct{ items []any }

// dict keeps its pairs in the order of insertion. It stands for OrderedDict too.
type dict struct {
	pairs []pair
	index map[any]int // of the keys that are strings or integers; others are kept, but found by nobody
}

type pair struct{ key, value any }

// set replaces the value of a key that is there, as Python does.
func (d *dict) set(key, value any) {
	switch key.(type) {
	case string, int64:
		if i, ok := d.index[key]; ok {
			d.pairs[i].value = value
			return
		}
		if d.index == nil {
			d.index = map[any]int{}
		}
		d.index[key] = len(d.pairs)
	}
	d.pairs = append(d.pairs, pair{key, value})
}

// class is a name that the pickle imports.
type class struct{ module, name string }

func (c class) String() string { return c.module + "." + c.name }

// object is what an unknown class was called for: inert. The state of a TorchScript module is kept, since its attributes are
// the tensors.
type object struct {
	class class
	state any
}

// storage is a member of the archive that holds elements of one type.
type storage struct {
	key   string
	dtype DType
	numel int64
}

// view is a tensor: a place in a storage.
type view struct {
	storage        *storage
	offset         int64
	shape, strides []int
	elements       int64
	madeAt         int64 // the opcode that made it, for errors
}
