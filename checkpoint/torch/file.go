package torch

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Tensor is one entry of a file. Its name is the path to it: keys of dictionaries, numbers of lists and attributes of
// TorchScript modules, joined with dots.
type Tensor struct {
	Name  string
	DType DType
	Shape []int

	view *view
}

// File is a parsed archive. Tensors stand in the order of the pickle, their values still in the archive. A File belongs to one
// goroutine at a time.
type File struct {
	Tensors []Tensor
	Ignored []string // classes that the pickle names and that were not interpreted, in order
	Script  bool     // a TorchScript archive

	byName  map[string]int
	archive *archive
	key     string // of the storage that was read last
	data    []byte
}

// Open reads the directory and the pickle of an archive of size bytes. Errors are of type *Error, or those of r.
func Open(r io.ReaderAt, size int64) (*File, error) {
	a, err := openArchive(r, size)
	if err != nil {
		return nil, err
	}
	member := a.root + "data.pkl"
	text, err := a.read(member)
	if err != nil {
		return nil, err
	}
	top, m, err := unpickle(member, text, a.storageBytes)
	if err != nil {
		return nil, err
	}
	if err := a.checkSharing(member, m.views); err != nil {
		return nil, err
	}
	f := &File{archive: a, byName: map[string]int{}}
	_, f.Script = a.members[a.root+"constants.pkl"]
	for c := range m.ignored {
		f.Ignored = append(f.Ignored, c.String())
	}
	slices.Sort(f.Ignored)
	w := walk{file: f, member: member}
	return f, w.value(top, "", 0)
}

// memberOf names the member of a storage.
func (a *archive) memberOf(key string) string { return a.root + "data/" + key }

func (a *archive) storageBytes(s *storage) (int64, bool) {
	f, ok := a.members[a.memberOf(s.key)]
	if !ok {
		return 0, false
	}
	return int64(f.UncompressedSize64), true
}

// checkSharing refuses many tensors of one storage, which would make much memory of a small file.
func (a *archive) checkSharing(member string, views []*view) error {
	var total, stored int64
	for name, f := range a.members {
		if strings.HasPrefix(name, a.memberOf("")) {
			stored += int64(f.UncompressedSize64)
		}
	}
	for _, v := range views {
		total += v.elements * v.storage.dtype.Size() // each is no longer than its storage
		if total > maxSharing*stored {
			return broken(RuleTotal, member, v.madeAt, "the first tensors have %d bytes, all storages %d", total, stored)
		}
	}
	return nil
}

// walk finds the tensors of a tree.
type walk struct {
	file   *File
	member string
	values int
}

func (w *walk) value(value any, name string, depth int) error {
	if w.values++; w.values > maxObjects {
		return broken(RuleObjects, w.member, 0, "the tree has more values than that, %q among them: it refers to itself", name)
	}
	if depth > maxDepth {
		return broken(RuleDepth, w.member, 0, "%.80q and deeper: it refers to itself", name)
	}
	switch value := value.(type) {
	case *view:
		return w.tensor(value, name)
	case *dict:
		for _, p := range value.pairs {
			if err := w.child(p.key, p.value, name, depth); err != nil {
				return err
			}
		}
	case *list:
		return w.items(value.items, name, depth)
	case []any:
		return w.items(value, name, depth)
	case *object:
		return w.value(value.state, name, depth+1) // only TorchScript modules have any
	}
	return nil
}

func (w *walk) items(values []any, name string, depth int) error {
	for i, value := range values {
		if err := w.child(int64(i), value, name, depth); err != nil {
			return err
		}
	}
	return nil
}

// child descends into an entry with a key that can be part of a name.
func (w *walk) child(key, value any, name string, depth int) error {
	switch value.(type) {
	case *view, *dict, *list, []any, *object:
	default:
		return nil
	}
	var part string
	switch key := key.(type) {
	case string:
		part = key
	case int64:
		part = strconv.FormatInt(key, 10)
	default:
		return nil
	}
	if name != "" {
		part = name + "." + part
	}
	if len(part) > maxNameBytes {
		return broken(RuleName, w.member, 0, "%.80q... has %d", part, len(part))
	}
	return w.value(value, part, depth+1)
}

func (w *walk) tensor(v *view, name string) error {
	f := w.file
	if _, twice := f.byName[name]; twice {
		return broken(RuleTensors, w.member, v.madeAt, "two tensors are called %q", name)
	}
	if len(f.Tensors) == maxTensors {
		return broken(RuleTensors, w.member, v.madeAt, "%q is one too many", name)
	}
	f.byName[name] = len(f.Tensors)
	f.Tensors = append(f.Tensors, Tensor{Name: name, DType: v.storage.dtype, Shape: v.shape, view: v})
	return nil
}

// Float32s reads a tensor, row-major. All types are taken, but every value must be one that a float32 holds exactly.
func (f *File) Float32s(name string) ([]float32, error) {
	i, ok := f.byName[name]
	if !ok {
		return nil, fmt.Errorf("torch archive: there is no tensor %q", name)
	}
	v := f.Tensors[i].view
	if v.elements == 0 {
		return []float32{}, nil
	}
	data, err := f.storage(v.storage)
	if err != nil {
		return nil, err
	}
	out := make([]float32, v.elements)
	dtype, order, size := v.storage.dtype, f.archive.order, v.storage.dtype.Size()
	at := make([]int, len(v.shape))
	place := v.offset
	for n := range out {
		value, exact := dtype.value(data[place*size:], order)
		if !exact {
			return nil, fmt.Errorf("torch archive: tensor %q is %s, and float32 does not hold its element %d exactly", name, dtype, n)
		}
		out[n] = value
		place += v.advance(at)
	}
	return out, nil
}

// advance counts at on by one, row-major, and returns how far that is in the storage.
func (v *view) advance(at []int) int64 {
	var step int64
	for i := len(at) - 1; i >= 0; i-- {
		at[i]++
		step += int64(v.strides[i])
		if at[i] < v.shape[i] {
			break
		}
		step -= int64(at[i]) * int64(v.strides[i])
		at[i] = 0
	}
	return step
}

// storage reads a member, or returns it again: tensors that share one stand together.
func (f *File) storage(s *storage) ([]byte, error) {
	if f.data != nil && f.key == s.key {
		return f.data, nil
	}
	f.data = nil // before the next, so that only one is held
	data, err := f.archive.read(f.archive.memberOf(s.key))
	f.key, f.data = s.key, data
	return data, err
}
