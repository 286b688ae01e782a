#ifndef TG_LAYERNORM_H
#define TG_LAYERNORM_H

#include "pool.h"

// tg_layernorm computes y = f((x - mean)/std * gamma + beta) row by row; f is GELU or nothing. stats [rows, 2] is optional.
struct tg_layernorm {
  long rows, cols, y_stride, x_stride;
  int gelu;
  float *y, *stats;
  const float *x, *gamma, *beta;
};
void tg_layernorm(struct tg_pool *pool, const struct tg_layernorm *a);

// tg_layernorm_backward computes dx += and, where present, dgamma +=, dbeta +=. beta is read for GELU only.
struct tg_layernorm_backward {
  long rows, cols, dx_stride, dy_stride, x_stride;
  int gelu;
  float *dx, *dgamma, *dbeta;
  const float *dy, *x, *stats, *gamma, *beta;
};
void tg_layernorm_backward(struct tg_pool *pool, const struct tg_layernorm_backward *a);

#endif
