#ifndef TG_UPSAMPLE_H
#define TG_UPSAMPLE_H

#include "pool.h"

// tg_upsample_backward computes dx [lines, width, channels] += the sums of 2x2 blocks of dy [2 lines, 2 width, channels].
struct tg_upsample_backward {
  long lines, width, channels; // lines = batch * height
  float *dx;
  const float *dy;
};
void tg_upsample_backward(struct tg_pool *pool, const struct tg_upsample_backward *a);

#endif
