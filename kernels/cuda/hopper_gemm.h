// Arguments of hopper_gemm.cu.
#ifndef TG_HOPPER_GEMM_H
#define TG_HOPPER_GEMM_H

#include "hopper_tiles.h"
#include "matmul.h"

// The product of matmul.h, its operands read through maps of packed [1, m, k] and [1, n, k], in boxes of a tile's rows
// and of its columns by 64. The addresses of a, b and partial are not used.
struct tg_hopper_gemm {
  struct tg_tensor_map a, b;
  struct tg_matmul product;
};

#endif
