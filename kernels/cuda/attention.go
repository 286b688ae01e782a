//go:build cuda && cgo

package cuda

// #include "attention.h"
import "C"

import (
	"fmt"

	"github.com/textground/textground/kernels"
)

// pass is a kernel of attention in both precisions.
type pass struct{ bf16, exact *kernel }

func declarePass(name string) pass {
	return pass{declare("attention_"+name+"_bf16", 128), declare("attention_"+name+"_f32", 128)}
}

var (
	attentionForward = declarePass("forward")
	attentionDelta   = declare("attention_delta", 256)
	attentionDQ      = declarePass("dq")
	attentionDKDV    = declarePass("dkdv")
)

// widestHead is what a tile holds: every CLIP has heads of 64 channels.
const widestHead = 64

// Attention computes out, and lse where it is present.
func (d *device) Attention(out, lse, q, k, v kernels.Tensor, s kernels.AttentionShape) {
	a := attention("Attention", q, k, v, s)
	kernels.RequireMatrix("Attention: out", out, s.Batch*s.Queries, q.Cols())
	if lse.Present() {
		kernels.Require("Attention: lse", lse, kernels.Float32, s.Batch*s.Heads*s.Queries)
	}
	a.out, a.ld_out, a.lse = C.uint64_t(address(out)), C.int64_t(out.Stride), C.uint64_t(address(lse))
	d.attend(attentionForward, s, s.Queries, 4, &a)
}

// AttentionBackward computes dq, dk and dv, making the probabilities again from lse.
func (d *device) AttentionBackward(dq, dk, dv, dout, out, lse, q, k, v kernels.Tensor, s kernels.AttentionShape) {
	a := attention("AttentionBackward", q, k, v, s)
	queries, keys, channels := s.Batch*s.Queries, s.Batch*s.Keys, q.Cols()
	kernels.RequireMatrix("AttentionBackward: out", out, queries, channels)
	kernels.RequireMatrix("AttentionBackward: dout", dout, queries, channels)
	kernels.RequireMatrix("AttentionBackward: dq", dq, queries, channels)
	kernels.RequireMatrix("AttentionBackward: dk", dk, keys, channels)
	kernels.RequireMatrix("AttentionBackward: dv", dv, keys, channels)
	kernels.Require("AttentionBackward: lse", lse, kernels.Float32, queries*s.Heads)
	a.out, a.ld_out, a.lse = C.uint64_t(address(out)), C.int64_t(out.Stride), C.uint64_t(address(lse))
	a.dout, a.ld_dout = C.uint64_t(address(dout)), C.int64_t(dout.Stride)
	a.dq, a.ld_dq = C.uint64_t(address(dq)), C.int64_t(dq.Stride)
	a.dk, a.ld_dk = C.uint64_t(address(dk)), C.int64_t(dk.Stride)
	a.dv, a.ld_dv = C.uint64_t(address(dv)), C.int64_t(dv.Stride)
	delta, release := d.scratch(4 * queries * s.Heads)
	a.delta = C.uint64_t(delta)
	launch(d, attentionDelta, grid{X: ceil(queries*s.Heads, 8)}, 0, &a)
	d.attend(attentionDQ, s, s.Queries, 5, &a)
	d.attend(attentionDKDV, s, s.Keys, 5, &a)
	release()
}

// attend launches a pass whose blocks own 64 rows of a head each and keep so many tiles in shared memory.
func (d *device) attend(p pass, s kernels.AttentionShape, rows, tiles int, a *C.struct_tg_attention) {
	k, shared := p.exact, tiles*C.TG_ATTENTION_TILE_F32
	if d.precision == bf16 {
		k, shared = p.bf16, tiles*C.TG_ATTENTION_TILE_BF16
	}
	launch(d, k, grid{X: s.Batch * s.Heads * ceil(rows, 64)}, shared, a)
}

// attention describes the shape and the operands that forward and backward share.
func attention(what string, q, k, v kernels.Tensor, s kernels.AttentionShape) C.struct_tg_attention {
	if s.Heads < 1 || q.Cols()%s.Heads != 0 || s.Causal && s.Queries != s.Keys {
		panic(fmt.Sprintf("cuda: %s of %+v on %d channels", what, s, q.Cols()))
	}
	width := q.Cols() / s.Heads
	if width > widestHead {
		panic(fmt.Sprintf("cuda: %s with heads of %d channels: the kernels take up to %d", what, width, widestHead))
	}
	kernels.RequireMatrix(what+": q", q, s.Batch*s.Queries, q.Cols())
	kernels.RequireMatrix(what+": k", k, s.Batch*s.Keys, q.Cols())
	kernels.RequireMatrix(what+": v", v, s.Batch*s.Keys, q.Cols())
	return C.struct_tg_attention{
		q: C.uint64_t(address(q)), k: C.uint64_t(address(k)), v: C.uint64_t(address(v)),
		ld_q: C.int64_t(q.Stride), ld_k: C.int64_t(k.Stride), ld_v: C.int64_t(v.Stride),
		batch: C.int32_t(s.Batch), heads: C.int32_t(s.Heads), queries: C.int32_t(s.Queries), keys: C.int32_t(s.Keys),
		width: C.int32_t(width), causal: flag(s.Causal),
	}
}
