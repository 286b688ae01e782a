package ref

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/textground/textground/kernels"
)

type number interface {
	float32 | float64 | int32 | uint64
}

// matrix is a tensor seen as rows, which may be strided.
type matrix[T number] struct {
	data               []T
	rows, cols, stride int
}

func matrixOf[T number](t kernels.Tensor) matrix[T] {
	return matrix[T]{kernels.Host[T](t), t.Rows(), t.Cols(), t.Stride}
}

// rowsOf is matrixOf for the usual type.
func rowsOf(t kernels.Tensor) matrix[float32] { return matrixOf[float32](t) }

// row returns row r.
func (m matrix[T]) row(r int) []T {
	if m.cols == 0 {
		return nil
	}
	return m.data[r*m.stride:][:m.cols]
}

// values returns the elements of a dense Float32 tensor, nil for an absent one.
func values(t kernels.Tensor) []float32 {
	if !t.Present() {
		return nil
	}
	return kernels.Host[float32](t)
}

// parallel calls work(0..n-1), each once, on all processors. Every call writes its own outputs.
func parallel(n int, work func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				work(i)
			}
		})
	}
	wg.Wait()
}

// widen returns the values as float64.
func widen(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}

// transposed returns x [rows, cols] as float64 [cols, rows].
func transposed(x matrix[float32]) []float64 {
	y := make([]float64, x.rows*x.cols)
	for r := range x.rows {
		for c, v := range x.row(r) {
			y[c*x.rows+r] = float64(v)
		}
	}
	return y
}

// widened returns x [rows, cols] as dense float64.
func widened(x matrix[float32]) []float64 {
	y := make([]float64, 0, x.rows*x.cols)
	for r := range x.rows {
		for _, v := range x.row(r) {
			y = append(y, float64(v))
		}
	}
	return y
}

// dot returns <x, y>, added in order.
func dot(x, y []float64) float64 {
	sum := 0.0
	for i, v := range x {
		sum += v * y[i]
	}
	return sum
}

// axpy computes y += a*x.
func axpy(y []float64, a float64, x []float64) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] += a * v
	}
}

// accumulate computes sum [n] += x [k] · m [k, n], row after row: the inner loop of matrix product and convolution. Four
// rows at a time halve the traffic of sum.
func accumulate(sum, x, m []float64) {
	n := len(sum)
	k := 0
	for ; k+4 <= len(x); k += 4 {
		a, b, c, d := x[k], x[k+1], x[k+2], x[k+3]
		m0, m1, m2, m3 := m[k*n:][:n], m[(k+1)*n:][:n], m[(k+2)*n:][:n], m[(k+3)*n:][:n]
		for i := range sum {
			sum[i] = sum[i] + a*m0[i] + b*m1[i] + c*m2[i] + d*m3[i]
		}
	}
	for ; k < len(x); k++ {
		axpy(sum, x[k], m[k*n:][:n])
	}
}
