// Arguments of upconv3x3.cu; the convolutions themselves take those of conv3x3.h.
#ifndef TG_UPCONV3X3_H
#define TG_UPCONV3X3_H

#include "conv3x3.h"

// packed [4 parities, 2x2, co, ci] = the folds of weight [co, ci, 3, 3]; turned, for the input gradient, it is [4x4, ci, co]:
// the window that a small pixel's gradient sees of the large map.
struct tg_upconv_fold {
  TG_PTR(float) packed;
  TG_PTR(const float) weight;
  int32_t co, ci;
  int32_t turned, unused;
};

#endif
