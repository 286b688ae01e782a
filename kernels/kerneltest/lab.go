package kerneltest

import (
	"fmt"

	"github.com/textground/textground/internal/philox"
	"github.com/textground/textground/kernels"
)

// lab makes the inputs of one check on one device and keeps its results. The same check makes the same inputs on every device.
type lab struct {
	dev     kernels.Device
	key     philox.Key
	check   uint32 // which check: the step of its random numbers
	made    uint32 // tensors made so far: their lane
	shift   int    // elements by which tensors are moved off the allocation's start
	owned   []kernels.Tensor
	parents map[kernels.Memory]kernels.Tensor // whole allocations behind strided views
	results []result
}

// result is an output with the largest error that is allowed, relative to the largest magnitude; 0 wants equal bits.
type result struct {
	name      string
	tensor    kernels.Tensor
	tolerance float64
}

func newLab(dev kernels.Device, check, shift int) *lab {
	return &lab{dev: dev, key: philox.NewKey(seed, philox.Test), check: uint32(check), shift: shift,
		parents: map[kernels.Memory]kernels.Tensor{}}
}

// close frees everything.
func (l *lab) close() { l.dev.Free(l.owned...) }

// alloc returns a dense tensor that begins shift elements into its allocation.
func (l *lab) alloc(dt kernels.DType, shape ...int) kernels.Tensor {
	n := kernels.NewTensor(nil, dt, shape...).Len()
	whole := l.dev.Alloc(dt, n+l.shift)
	l.owned = append(l.owned, whole)
	return whole.View(l.shift, shape...)
}

// uniform returns values between lo and hi.
func (l *lab) uniform(lo, hi float32, shape ...int) kernels.Tensor {
	t := l.alloc(kernels.Float32, shape...)
	l.made++
	host := make([]float32, t.Len())
	l.key.Uniforms(host, l.check, l.made)
	for i, u := range host {
		host[i] = lo + (hi-lo)*u
	}
	l.dev.Upload(t, host)
	return t
}

// random returns values between -1 and 1: inputs, and outputs whose old contents must not show.
func (l *lab) random(shape ...int) kernels.Tensor { return l.uniform(-1, 1, shape...) }

// randomWithZeroRow is random with a row of zeros in the middle.
func (l *lab) randomWithZeroRow(shape ...int) kernels.Tensor {
	t := l.random(shape...)
	l.dev.Zero(t.RowRange(t.Rows()/2, t.Rows()/2+1))
	return t
}

// strided returns a random matrix whose rows lie 5 elements apart.
func (l *lab) strided(rows, cols int) kernels.Tensor {
	parent := l.random(rows, cols+5)
	l.parents[parent.Mem] = parent
	return parent.Columns(2, 2+cols)
}

// scalar returns a tensor without dimensions.
func (l *lab) scalar(v float32) kernels.Tensor {
	t := l.alloc(kernels.Float32)
	l.dev.Upload(t, []float32{v})
	return t
}

// sums returns Float64 values that an operation must overwrite.
func (l *lab) sums(values ...float64) kernels.Tensor {
	t := l.alloc(kernels.Float64, len(values))
	l.dev.Upload(t, values)
	return t
}

// ints returns values below limit.
func (l *lab) ints(limit int, shape ...int) kernels.Tensor {
	t := l.alloc(kernels.Int32, shape...)
	l.made++
	host := make([]int32, t.Len())
	for i := range host {
		host[i] = int32(l.key.Uniform(l.check, l.made, uint64(i)) * float32(limit))
	}
	l.dev.Upload(t, host)
	return t
}

// distinct returns count different values below limit, out of order.
func (l *lab) distinct(limit, count int) kernels.Tensor {
	t := l.alloc(kernels.Int32, count)
	l.made++
	host := make([]int32, count)
	for i, v := range l.key.Stream(l.check, l.made, 0).Perm(limit)[:count] {
		host[i] = int32(v)
	}
	l.dev.Upload(t, host)
	return t
}

// want keeps t as a result. Of a strided view the gaps are kept too: nobody may write there.
func (l *lab) want(name string, t kernels.Tensor, tolerance float64) {
	if parent, ok := l.parents[t.Mem]; ok {
		t = parent
	}
	l.results = append(l.results, result{name, t, tolerance})
}

// download returns a result's values as float64, or as raw words for integers.
func (l *lab) download(t kernels.Tensor) (values []float64, words []uint64, err error) {
	switch t.DType {
	case kernels.Float32:
		host := make([]float32, t.Len())
		err = l.dev.Download(host, t)
		for _, v := range host {
			values = append(values, float64(v))
		}
	case kernels.Float64:
		values = make([]float64, t.Len())
		err = l.dev.Download(values, t)
	case kernels.Uint64:
		words = make([]uint64, t.Len())
		err = l.dev.Download(words, t)
	default:
		err = fmt.Errorf("kerneltest: %v results are not compared", t.DType)
	}
	return values, words, err
}
