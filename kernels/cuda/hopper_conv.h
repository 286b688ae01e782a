// Arguments of hopper_conv.cu.
#ifndef TG_HOPPER_CONV_H
#define TG_HOPPER_CONV_H

#include "conv3x3.h"
#include "hopper_tiles.h"

// The convolution of conv3x3.h. A tile's rows are the positions of a box [box_b, box_h, box_w]; pixels are maps of the
// packed [batch, map_h, map_w, inner] in such boxes by 64 channels, weights is a map of the packed [taps of all
// parities, cols, inner] in boxes of a tile's columns by 64. With step 2, pixels[2*py + px] sees the lines of parity py
// and the columns of parity px alone; with step 1 only pixels[0] is used. The addresses of map and packed are not used.
struct tg_hopper_conv {
  struct tg_tensor_map pixels[4], weights;
  struct tg_conv conv;
  int32_t box_w, box_h, box_b, unused;
};

#endif
