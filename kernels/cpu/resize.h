#ifndef TG_RESIZE_H
#define TG_RESIZE_H

#include "pool.h"

// tg_resize resamples planes [planes, h, w] to [planes, height, width]; how numbers kernels.Resampling.
struct tg_resize {
  long planes, h, w, height, width;
  enum tg_resampling { TG_NEAREST, TG_BILINEAR, TG_BILINEAR_ALIGNED, TG_BICUBIC } how;
  float *dst;
  const float *src;
};
void tg_resize(struct tg_pool *pool, const struct tg_resize *a);

#endif
