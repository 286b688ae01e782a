// Arguments of matmul.cu.
#ifndef TG_MATMUL_H
#define TG_MATMUL_H

#include "args.h"

// tg_activation has the numbers of kernels.Activation.
enum tg_activation { TG_NO_ACTIVATION, TG_QUICK_GELU, TG_GELU };

// c [m, n] = a·b over k with the epilogue of kernels.MatMul; rows lie ld floats apart, absent operands are null. With more
// than one split, partial [splits, m, n] receives the bare sums, and matmul_finish makes c of them.
struct tg_matmul {
  TG_PTR(const float) a;
  TG_PTR(const float) b;
  TG_PTR(float) c;
  TG_PTR(const float) bias;
  TG_PTR(float) pre; // read when act_grad is set, otherwise written
  TG_PTR(const float) residual;
  TG_PTR(float) partial;
  int64_t ld_a, ld_b, ld_c, ld_pre, ld_residual;
  int32_t m, n, k;
  int32_t splits;
  int32_t act, act_grad; // tg_activation of the sum; or, with the other one absent, its derivative at pre is a factor
  int32_t add, unused;
};

#endif
