// Arguments of hoppergemm.cu.
#ifndef TG_HOPPERGEMM_H
#define TG_HOPPERGEMM_H

#include "args.h"
#include "tensormap.h"

// c [m, n] = a·b over k. The maps are of bfloat16 with boxes of 64 elements, swizzled by 128 bytes: along k, {64, 128
// rows}; across k, {64 rows, 64}.
struct tg_hopper_gemm {
  struct tg_tensor_map a, b;
  TG_PTR(float) c;
  int32_t m, n, k;
  int32_t fault; // which mistake to make: see hoppergemm.cu
};

#endif
