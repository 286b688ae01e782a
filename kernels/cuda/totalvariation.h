// Arguments of totalvariation.cu.
#ifndef TG_TOTALVARIATION_H
#define TG_TOTALVARIATION_H

#include "args.h"

// Maps x [batch, height, width, channels]; per_x and per_y are the weight of one step, 0 for an axis without steps.
// total_variation: partial [batch*height]; total_variation_backward: dx +=.
struct tg_total_variation {
  TG_PTR(double) partial;
  TG_PTR(float) dx;
  TG_PTR(const float) x;
  double per_x, per_y;
  int64_t lines, height, width, channels;
};

#endif
