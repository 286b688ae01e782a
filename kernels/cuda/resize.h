// Arguments of resize.cu.
#ifndef TG_RESIZE_H
#define TG_RESIZE_H

#include "args.h"

// The numbers of kernels.Resampling.
enum { TG_NEAREST, TG_BILINEAR, TG_BILINEAR_ALIGNED, TG_BICUBIC };

// tg_taps are the four (or fewer, then with weight 0) sources of an output line or column.
struct tg_taps {
  float weight[4];
  int32_t from[4];
};

// resize_taps: taps [height + width]; resize: dst [planes, height, width] of src [planes, h, w].
struct tg_resize {
  TG_PTR(struct tg_taps) taps;
  TG_PTR(float) dst;
  TG_PTR(const float) src;
  int64_t lines; // planes * height
  int32_t h, w, height, width, how;
};

#endif
