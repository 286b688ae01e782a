package ref

import (
	"fmt"
	"unsafe"

	"github.com/textground/textground/kernels"
)

// device keeps tensors in Go memory. Operations are done when they return.
type device struct {
	live, peak int64 // bytes handed out now, and at most since ResetPeak
}

// New returns a reference device.
func New() kernels.Device { return &device{} }

func (d *device) Name() string { return "ref" }

func (d *device) Alloc(dt kernels.DType, shape ...int) kernels.Tensor {
	mem := &kernels.HostMemory{}
	t := kernels.NewTensor(mem, dt, shape...)
	bytes := t.Len() * dt.Size()
	if bytes > 0 {
		words := make([]uint64, (bytes+7)/8) // aligned for every type
		mem.Data = unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), bytes)
	}
	d.hold(int64(bytes))
	return t
}

func (d *device) Free(ts ...kernels.Tensor) {
	for _, t := range ts {
		if t.Present() {
			d.hold(-t.Mem.Bytes())
			t.Mem.(*kernels.HostMemory).Data = nil
		}
	}
}

// hold counts bytes; operations count their larger working buffers with it too.
func (d *device) hold(bytes int64) {
	d.live += bytes
	d.peak = max(d.peak, d.live)
}

func (d *device) Peak() int64  { return d.peak }
func (d *device) ResetPeak()   { d.peak = d.live }
func (d *device) Sync() error  { return nil }
func (d *device) Close() error { return nil }

func (d *device) Upload(t kernels.Tensor, src any) { kernels.HostUpload(t, src) }

func (d *device) Download(dst any, t kernels.Tensor) error {
	kernels.HostDownload(dst, t)
	return nil
}

func (d *device) Zero(t kernels.Tensor) {
	if t.DType.Size() == 8 {
		zero(matrixOf[uint64](t))
	} else {
		zero(matrixOf[float32](t))
	}
}

func zero[T number](m matrix[T]) {
	for r := range m.rows {
		clear(m.row(r))
	}
}

func (d *device) Copy(dst, src kernels.Tensor) {
	if dst.DType != src.DType || dst.Rows() != src.Rows() || dst.Cols() != src.Cols() {
		panic(fmt.Sprintf("ref: copy of %v %v to %v %v", src.DType, src.Shape, dst.DType, dst.Shape))
	}
	if dst.DType.Size() == 8 {
		copyRows(matrixOf[uint64](dst), matrixOf[uint64](src))
	} else {
		copyRows(matrixOf[float32](dst), matrixOf[float32](src))
	}
}

func copyRows[T number](dst, src matrix[T]) {
	for r := range dst.rows {
		copy(dst.row(r), src.row(r))
	}
}

func (d *device) AddTo(dst, src kernels.Tensor) {
	kernels.RequireMatrix("AddTo: src", src, dst.Rows(), dst.Cols())
	to, from := rowsOf(dst), rowsOf(src)
	parallel(to.rows, func(r int) { addTo(to.row(r), from.row(r)) })
}

func addTo(dst, src []float32) {
	for i, v := range src {
		dst[i] += v
	}
}
