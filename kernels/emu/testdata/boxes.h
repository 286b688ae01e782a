// Arguments of boxes.cu.
#ifndef TG_BOXES_H
#define TG_BOXES_H

#include "args.h"
#include "tensormap.h"

// The box of `bytes` at (x, y, z, w) of src goes to (0, 0, 0, 0) of dst.
struct tg_boxes {
  struct tg_tensor_map src, dst;
  int32_t x, y, z, w;
  int32_t bytes;
  int32_t fault;
};

#endif
