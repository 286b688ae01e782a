#ifndef TG_TOTALVARIATION_H
#define TG_TOTALVARIATION_H

#include "pool.h"

// A map [batch, height, width, channels] with the weight of a step along x and along y.
struct tg_total_variation {
  long batch, height, width, channels;
  const float *x;
  double per_x, per_y;
  double *sum; // tg_total_variation: the weighted sum of |steps|
  float *dx;   // tg_total_variation_backward: += the gradient of that
};
void tg_total_variation(struct tg_pool *pool, const struct tg_total_variation *a);
void tg_total_variation_backward(struct tg_pool *pool, const struct tg_total_variation *a);

#endif
