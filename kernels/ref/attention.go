package ref

import (
	"fmt"
	"math"

	"github.com/textground/textground/kernels"
)

// head is one head of one batch entry: its queries, keys and values row by row.
type head struct {
	q, k, v [][]float64 // [Queries, d], [Keys, d], [Keys, d]
	scale   float64
	causal  bool
}

// Attention computes softmax(q k^T / sqrt(d)) v for each head.
func (d *device) Attention(out, lse, q, k, v kernels.Tensor, s kernels.AttentionShape) {
	checkAttention(q, k, v, s)
	kernels.RequireMatrix("Attention: out", out, s.Batch*s.Queries, q.Cols())
	logs := values(lse)
	parallel(s.Batch*s.Heads, func(n int) {
		h, result := headOf(q, k, v, s, n), part(out, s.Queries, n, s)
		for i := range s.Queries {
			p, log := h.probabilities(i)
			sum := make([]float64, result.cols)
			for j, pj := range p {
				axpy(sum, pj, h.v[j])
			}
			store(result.row(i), sum)
			if logs != nil {
				logs[n*s.Queries+i] = float32(log)
			}
		}
	})
}

// AttentionBackward computes, with p the probabilities and delta_i = <dout_i, out_i>: dv_j = sum_i p_ij dout_i,
// ds_ij = p_ij (<dout_i, v_j> - delta_i), dq_i = scale sum_j ds_ij k_j, dk_j = scale sum_i ds_ij q_i.
func (d *device) AttentionBackward(dq, dk, dv, dout, out, lse, q, k, v kernels.Tensor, s kernels.AttentionShape) {
	checkAttention(q, k, v, s)
	checkAttention(dq, dk, dv, s)
	kernels.RequireMatrix("AttentionBackward: dout", dout, s.Batch*s.Queries, q.Cols())
	kernels.RequireMatrix("AttentionBackward: out", out, s.Batch*s.Queries, q.Cols())
	kernels.Require("AttentionBackward: lse", lse, kernels.Float32, s.Batch*s.Heads*s.Queries)
	parallel(s.Batch*s.Heads, func(n int) {
		h, width := headOf(q, k, v, s, n), q.Cols()/s.Heads
		grad, result := part(dout, s.Queries, n, s), part(out, s.Queries, n, s)
		sumK, sumV := make([]float64, s.Keys*width), make([]float64, s.Keys*width)
		for i := range s.Queries {
			g := widen(grad.row(i))
			delta := dot(g, widen(result.row(i)))
			sumQ := make([]float64, width)
			p, _ := h.probabilities(i)
			for j, pj := range p {
				axpy(sumV[j*width:][:width], pj, g)
				ds := pj * (dot(g, h.v[j]) - delta) * h.scale
				axpy(sumQ, ds, h.k[j])
				axpy(sumK[j*width:][:width], ds, h.q[i])
			}
			store(part(dq, s.Queries, n, s).row(i), sumQ)
		}
		for j := range s.Keys {
			store(part(dk, s.Keys, n, s).row(j), sumK[j*width:][:width])
			store(part(dv, s.Keys, n, s).row(j), sumV[j*width:][:width])
		}
	})
}

func checkAttention(q, k, v kernels.Tensor, s kernels.AttentionShape) {
	if s.Heads < 1 || q.Cols()%s.Heads != 0 || s.Causal && s.Queries != s.Keys {
		panic(fmt.Sprintf("ref: attention %+v on %d channels", s, q.Cols()))
	}
	kernels.RequireMatrix("Attention: q", q, s.Batch*s.Queries, q.Cols())
	kernels.RequireMatrix("Attention: k", k, s.Batch*s.Keys, q.Cols())
	kernels.RequireMatrix("Attention: v", v, s.Batch*s.Keys, q.Cols())
}

// part returns the rows and columns of batch entry and head n = entry*Heads + head.
func part(t kernels.Tensor, rows, n int, s kernels.AttentionShape) matrix[float32] {
	width := t.Cols() / s.Heads
	entry, head := n/s.Heads, n%s.Heads
	return rowsOf(t.RowRange(entry*rows, (entry+1)*rows).Columns(head*width, (head+1)*width))
}

func headOf(q, k, v kernels.Tensor, s kernels.AttentionShape, n int) head {
	scale := 1 / math.Sqrt(float64(q.Cols()/s.Heads))
	wide := func(t kernels.Tensor, rows int) [][]float64 {
		m, all := part(t, rows, n, s), make([][]float64, rows)
		for i := range all {
			all[i] = widen(m.row(i))
		}
		return all
	}
	return head{wide(q, s.Queries), wide(k, s.Keys), wide(v, s.Keys), scale, s.Causal}
}

// probabilities returns query i's softmax over the keys it sees, and the log of its sum of exponentials.
func (h head) probabilities(i int) (p []float64, log float64) {
	seen := len(h.k)
	if h.causal {
		seen = i + 1
	}
	p = make([]float64, seen)
	most := math.Inf(-1)
	for j := range p {
		p[j] = dot(h.q[i], h.k[j]) * h.scale
		most = max(most, p[j])
	}
	sum := 0.0
	for j := range p {
		p[j] = math.Exp(p[j] - most)
		sum += p[j]
	}
	for j := range p {
		p[j] /= sum
	}
	return p, most + math.Log(sum)
}
