// Arguments of conv3x3.cu.
#ifndef TG_CONV3X3_H
#define TG_CONV3X3_H

#include "args.h"

// packed [9, co, ci] = the taps of weight [co, ci, 3, 3]; turned, for the input gradient, it is [9, ci, co] of the taps in
// opposite order.
struct tg_conv_pack {
  TG_PTR(float) packed;
  TG_PTR(const float) weight;
  int32_t co, ci;
  int32_t turned, unused;
};

// A convolution over positions (b, y, x) of [batch, h, w], which see map [batch, map_h, map_w, inner] from the pixel
// (y*step + first, x*step + first) on, `across` taps down and `across` to the right:
//
//	out = residual + tanh(gate) * (sum over taps and inner of map * packed [across*across, cols, inner] + bias)
//
// With up 2, four such convolutions, one for each parity (py, px) of an upsampled pixel, see the map from (first+py,
// first+px) on through packed [4, across*across, cols, inner], and write out [batch, 2h, 2w, cols]; residual and bias, which
// may be null, are those of the position.
struct tg_conv {
  TG_PTR(float) out;
  TG_PTR(const float) map;
  TG_PTR(const float) packed;
  TG_PTR(const float) bias;
  TG_PTR(const float) gate;
  TG_PTR(const float) residual;
  int32_t batch, h, w;
  int32_t map_h, map_w, inner, cols;
  int32_t across, step, first, up, unused;
};

// partial [splits, up*up, across*across, co, ci] = sum over positions of dout [batch, up*h, up*w, co] and the pixels of map
// [batch, h, w, ci] that the forward convolution saw there.
struct tg_conv_weight_grad {
  TG_PTR(float) partial;
  TG_PTR(const float) map;
  TG_PTR(const float) dout;
  int32_t batch, h, w, ci, co;
  int32_t across, up, unused;
};

// dweight [co, ci, 3, 3] = the sum of partial [splits, taps, co, ci], taps being 9, or 4x4 for the upsampled convolution.
struct tg_conv_unpack {
  TG_PTR(float) dweight;
  TG_PTR(const float) partial;
  int32_t co, ci, splits, unused;
};

#endif
