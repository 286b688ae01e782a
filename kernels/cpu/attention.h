#ifndef TG_ATTENTION_H
#define TG_ATTENTION_H

#include "pool.h"

// tg_rows is a matrix of float rows that lie stride floats apart.
struct tg_rows {
  float *at;
  long stride;
};

// tg_attention holds the operands of kernels.Transformer's Attention and AttentionBackward: q, out, dout and dq have
// batch*queries rows, k, v, dk and dv batch*keys, all of them heads*width columns; lse [batch, heads, queries] may be NULL in
// the forward.
struct tg_attention {
  long batch, heads, queries, keys, width;
  int causal;
  struct tg_rows q, k, v, out, dout, dq, dk, dv;
  float *lse;
};
void tg_attention(struct tg_pool *pool, const struct tg_attention *a);
void tg_attention_backward(struct tg_pool *pool, const struct tg_attention *a);

#endif
