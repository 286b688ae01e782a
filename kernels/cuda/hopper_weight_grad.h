// Arguments of hopper_weight_grad.cu.
#ifndef TG_HOPPER_WEIGHT_GRAD_H
#define TG_HOPPER_WEIGHT_GRAD_H

#include "hopper_tiles.h"

// partial [splits, products, rows, cols] = sums over a split's positions of left [position, rows] and the right
// [position, cols] that a product sees there: products are parities (2*py + px), then taps, across by across, from the
// pixel (y + first + py, x + first + px) on.
//
// Positions come in boxes of exactly 64, boxes_across by boxes_down an image; a split takes `steps` of them in order.
// The maps are of packed operands in such boxes by 64 channels, left[2*py + px] of the left one's pixels of that
// parity. A matrix [k, channels] is one line of k positions.
struct tg_hopper_weight_grad {
  struct tg_tensor_map left[4], right;
  TG_PTR(float) partial;
  int32_t rows, cols;
  int32_t products, splits, steps;
  int32_t box_w, box_h, box_b, boxes_across, boxes_down;
  int32_t across, first;
};

#endif
