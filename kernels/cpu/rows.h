#ifndef TG_ROWS_H
#define TG_ROWS_H

#include "pool.h"

// tg_add_rows computes dst[to[i]] += src[i] for rows of cols floats; without to, row i goes to row i.
struct tg_add_rows {
  long rows, cols, dst_stride, src_stride;
  float *dst;
  const float *src;
  const int32_t *to;
};
void tg_add_rows(struct tg_pool *pool, const struct tg_add_rows *a);

// tg_gather_rows computes dst[i] = src[from[i]].
struct tg_gather_rows {
  long rows, cols, dst_stride, src_stride;
  float *dst;
  const float *src;
  const int32_t *from;
};
void tg_gather_rows(struct tg_pool *pool, const struct tg_gather_rows *a);

// tg_column_sums computes out[c] += the sum of column c of x [rows, cols].
struct tg_column_sums {
  long rows, cols, stride;
  float *out;
  const float *x;
};
void tg_column_sums(struct tg_pool *pool, const struct tg_column_sums *a);

#endif
