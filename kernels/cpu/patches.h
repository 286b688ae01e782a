#ifndef TG_PATCHES_H
#define TG_PATCHES_H

#include "pool.h"

// tg_patches copies between images [batch, channels, grid_h*patch, grid_w*patch] and rows of channels*patch*patch values, one
// a patch: from images to rows, or back when fold is set.
struct tg_patches {
  long batch, channels, grid_h, grid_w, patch;
  int fold;
  float *rows, *images;
};
void tg_patches(struct tg_pool *pool, const struct tg_patches *a);

#endif
