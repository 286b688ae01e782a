// Arguments of upsample.cu.
#ifndef TG_UPSAMPLE_H
#define TG_UPSAMPLE_H

#include "args.h"

// dx [lines, width, channels] += the sums over 2x2 blocks of dy [2*lines, 2*width, channels].
struct tg_upsample_backward {
  TG_PTR(float) dx;
  TG_PTR(const float) dy;
  int64_t lines, width, channels;
};

#endif
