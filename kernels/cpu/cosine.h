#ifndef TG_COSINE_H
#define TG_COSINE_H

#include "pool.h"

// tg_cosine computes scores [rows, texts] of x [rows, width] and t [texts, width], all dense but x.
struct tg_cosine {
  long rows, texts, width, x_stride;
  float *scores;
  const float *x, *t;
};
void tg_cosine(struct tg_pool *pool, const struct tg_cosine *a);

// tg_cosine_backward computes dx [rows, width] from dscores [rows, texts].
struct tg_cosine_backward {
  long rows, texts, width, x_stride, dx_stride;
  float *dx;
  const float *dscores, *x, *t;
};
void tg_cosine_backward(struct tg_pool *pool, const struct tg_cosine_backward *a);

#endif
