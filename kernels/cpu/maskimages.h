#ifndef TG_MASKIMAGES_H
#define TG_MASKIMAGES_H

#include "pool.h"

// Images [batch, channels, height, width] and masks [batch, h, w]; pixel (y, x) lies in mask position (y*h/height, x*w/width).
struct tg_mask_images {
  long batch, channels, height, width, h, w;
  const float *images;
  float *out, *hard;   // tg_mask_images: out = images * hard
  float *dout, *dhard; // tg_mask_images_backward: dhard = sums of dout * images
};
void tg_mask_images(struct tg_pool *pool, const struct tg_mask_images *a);
void tg_mask_images_backward(struct tg_pool *pool, const struct tg_mask_images *a);

#endif
