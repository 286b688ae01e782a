// Arguments of attention.cu.
#ifndef TG_ATTENTION_H
#define TG_ATTENTION_H

#include "args.h"

// Bytes of one 64 x 64 tile in shared memory, in either precision. The forward holds four of them, the backward five.
enum { TG_ATTENTION_TILE_BF16 = 64 * 144, TG_ATTENTION_TILE_F32 = 64 * 65 * 4 };

// Attention and its gradients as kernels.Transformer has them: q, out, dout and dq have batch*queries rows, k, v, dk and dv
// batch*keys, all of them heads*width columns, ld floats apart. lse and delta are [batch, heads, queries]; the forward's lse may
// be null; delta is made by attention_delta for the two kernels of the backward.
struct tg_attention {
  TG_PTR(const float) q;
  TG_PTR(const float) k;
  TG_PTR(const float) v;
  TG_PTR(float) out;
  TG_PTR(float) lse;
  TG_PTR(const float) dout;
  TG_PTR(float) delta;
  TG_PTR(float) dq;
  TG_PTR(float) dk;
  TG_PTR(float) dv;
  int64_t ld_q, ld_k, ld_v, ld_out, ld_dout, ld_dq, ld_dk, ld_dv;
  int32_t batch, heads, queries, keys, width; // width of a head: at most 64
  int32_t causal;                             // query i sees keys 0..i
};

#endif
