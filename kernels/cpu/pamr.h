#ifndef TG_PAMR_H
#define TG_PAMR_H

#include "pool.h"

// tg_refine_masks refines masks [count, h, w] in place by the affinities of image [channels, h, w] (tcl-spec section 8).
struct tg_refine_masks {
  long count, channels, h, w;
  int dilations, iterations;
  int32_t dilation[16];
  float *masks;
  const float *image;
};
void tg_refine_masks(struct tg_pool *pool, const struct tg_refine_masks *a);

#endif
