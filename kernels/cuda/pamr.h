// Arguments of pamr.cu.
#ifndef TG_PAMR_H
#define TG_PAMR_H

#include "args.h"

// pamr_affinity: affinity [8*dilations, h*w] of image [channels, h, w]; pamr_step: to [count, h, w] = averages of from.
struct tg_pamr {
  TG_PTR(float) affinity;
  TG_PTR(const float) image;
  TG_PTR(float) to;
  TG_PTR(const float) from;
  int64_t count;
  int32_t channels, h, w, dilations;
  int32_t dilation[16];
};

#endif
