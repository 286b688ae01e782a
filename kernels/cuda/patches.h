// Arguments of patches.cu.
#ifndef TG_PATCHES_H
#define TG_PATCHES_H

#include "args.h"

// patches: rows [batch*grid_h*grid_w, channels*patch*patch] of images [batch, channels, grid_h*patch, grid_w*patch];
// patches_backward: images of rows.
struct tg_patches {
  TG_PTR(float) rows;
  TG_PTR(float) images;
  int64_t count; // of rows
  int32_t channels, grid_h, grid_w, patch;
};

#endif
