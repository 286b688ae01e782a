// Arguments of hopper_pack.cu.
#ifndef TG_HOPPER_PACK_H
#define TG_HOPPER_PACK_H

#include "args.h"

// packed [rows, pitch] of bfloat16 = matrix [rows, cols], or where it is turned [cols, rows], whose rows lie ld floats
// apart. What lies beyond cols is not written.
struct tg_hopper_pack {
  TG_PTR(uint32_t) packed;
  TG_PTR(const float) matrix;
  int64_t ld;
  int32_t rows, cols, pitch, unused;
};

#endif
