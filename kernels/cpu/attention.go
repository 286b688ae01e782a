//go:build cgo

package cpu

// #include "attention.h"
import "C"

import (
	"fmt"

	"github.com/textground/textground/kernels"
)

// Attention computes softmax(q k^T / sqrt(width)) v for each head.
func (d *device) Attention(out, lse, q, k, v kernels.Tensor, s kernels.AttentionShape) {
	a := attention("Attention", q, k, v, s)
	a.out = matrixRows("Attention: out", out, s.Batch*s.Queries, q.Cols())
	if lse.Present() {
		kernels.Require("Attention: lse", lse, kernels.Float32, s.Batch*s.Heads*s.Queries)
		a.lse = floats(lse)
	}
	C.tg_attention(d.pool.c, &a)
	d.countScratch()
}

// AttentionBackward computes dq, dk and dv, making the probabilities again from lse.
func (d *device) AttentionBackward(dq, dk, dv, dout, out, lse, q, k, v kernels.Tensor, s kernels.AttentionShape) {
	a := attention("AttentionBackward", q, k, v, s)
	queries, keys, channels := s.Batch*s.Queries, s.Batch*s.Keys, q.Cols()
	a.out = matrixRows("AttentionBackward: out", out, queries, channels)
	a.dout = matrixRows("AttentionBackward: dout", dout, queries, channels)
	a.dq = matrixRows("AttentionBackward: dq", dq, queries, channels)
	a.dk = matrixRows("AttentionBackward: dk", dk, keys, channels)
	a.dv = matrixRows("AttentionBackward: dv", dv, keys, channels)
	kernels.Require("AttentionBackward: lse", lse, kernels.Float32, s.Batch*s.Heads*s.Queries)
	a.lse = floats(lse)
	C.tg_attention_backward(d.pool.c, &a)
	d.countScratch()
}

// attention describes the shape and the operands that forward and backward share.
func attention(what string, q, k, v kernels.Tensor, s kernels.AttentionShape) C.struct_tg_attention {
	if s.Heads < 1 || q.Cols()%s.Heads != 0 || s.Causal && s.Queries != s.Keys {
		panic(fmt.Sprintf("cpu: %s of %+v on %d channels", what, s, q.Cols()))
	}
	a := C.struct_tg_attention{
		batch: C.long(s.Batch), heads: C.long(s.Heads), queries: C.long(s.Queries), keys: C.long(s.Keys),
		width: C.long(q.Cols() / s.Heads), causal: flag(s.Causal),
	}
	a.q = matrixRows(what+": q", q, s.Batch*s.Queries, q.Cols())
	a.k = matrixRows(what+": k", k, s.Batch*s.Keys, q.Cols())
	a.v = matrixRows(what+": v", v, s.Batch*s.Keys, q.Cols())
	return a
}

// matrixRows hands the rows of t, which may be strided, to C.
func matrixRows(what string, t kernels.Tensor, rows, cols int) C.struct_tg_rows {
	kernels.RequireMatrix(what, t, rows, cols)
	return C.struct_tg_rows{at: floats(t), stride: C.long(t.Stride)}
}
