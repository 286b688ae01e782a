#ifndef TG_TOKENS_H
#define TG_TOKENS_H

#include "pool.h"

// tg_image_tokens builds x [batch, length, width] of the class row and the patch rows, with positions added.
struct tg_image_tokens {
  long batch, length, width;
  float *x;
  const float *patches, *class_row, *position;
};
void tg_image_tokens(struct tg_pool *pool, const struct tg_image_tokens *a);

// tg_image_tokens_backward computes dpatches = and dclass +=, dposition +=, each if present.
struct tg_image_tokens_backward {
  long batch, length, width;
  float *dpatches, *dclass, *dposition;
  const float *dx;
};
void tg_image_tokens_backward(struct tg_pool *pool, const struct tg_image_tokens_backward *a);

// tg_embed_tokens builds x [rows, width]: row i is table[tokens[i]] + position[i % length].
struct tg_embed_tokens {
  long rows, length, width;
  float *x;
  const int32_t *tokens;
  const float *table, *position;
};
void tg_embed_tokens(struct tg_pool *pool, const struct tg_embed_tokens *a);

// tg_embed_tokens_backward computes dtable += and dposition += in row order.
struct tg_embed_tokens_backward {
  long rows, length, width;
  float *dtable, *dposition;
  const int32_t *tokens;
  const float *dx;
};
void tg_embed_tokens_backward(struct tg_pool *pool, const struct tg_embed_tokens_backward *a);

#endif
