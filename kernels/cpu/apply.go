//go:build cgo

package cpu

// #include "apply.h"
import "C"

import "github.com/textground/textground/kernels"

// apply computes y = f(x) value by value, for the accuracy tests of simd.h.
func (d *device) apply(f C.enum_tg_function, y, x kernels.Tensor) {
	C.tg_apply(d.pool.c, &C.struct_tg_apply{f: f, n: C.long(x.Len()), y: pointer(y), x: pointer(x)})
}

// The functions that apply knows.
const (
	fnExp     = C.TG_EXP
	fnLog     = C.TG_LOG
	fnTanh    = C.TG_TANH
	fnErf     = C.TG_ERF
	fnSigmoid = C.TG_SIGMOID
	fnExp64   = C.TG_EXP64
	fnLog64   = C.TG_LOG64
)
