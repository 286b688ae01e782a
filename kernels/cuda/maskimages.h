// Arguments of maskimages.cu.
#ifndef TG_MASKIMAGES_H
#define TG_MASKIMAGES_H

#include "args.h"

// mask_images: out [batch, channels, height, width] = images times hard [batch, h, w]; mask_images_backward: dhard of
// dout.
struct tg_mask_images {
  TG_PTR(float) out;
  TG_PTR(float) dhard;
  TG_PTR(const float) dout;
  TG_PTR(const float) images;
  TG_PTR(const float) hard;
  int64_t lines; // of pixels forward, of mask positions backward
  int32_t channels, height, width, h, w;
};

#endif
