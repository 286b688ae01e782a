#ifndef TG_MATMUL_H
#define TG_MATMUL_H

#include "pool.h"

// tg_activation has the numbers of kernels.Activation.
enum tg_activation { TG_NO_ACTIVATION, TG_QUICK_GELU, TG_GELU };

// tg_matmul computes C[m, n] = A·B with the epilogue of kernels.MatMul. Distances between rows are in floats; absent
// operands are NULL. Products inside other operations use gemm.h.
struct tg_matmul {
  long m, n, k;
  const float *a, *b;
  long lda, ldb;
  int trans_a, trans_b; // A is stored [k, m], B [n, k]
  float *c;
  long ldc;
  const float *bias;
  float *pre; // written, or read when act_grad is set
  long ld_pre;
  enum tg_activation act, act_grad; // of the sum; or, with the other one absent, its slope at pre is a factor
  const float *residual;
  long ld_residual;
  int add;
};
void tg_matmul(struct tg_pool *pool, const struct tg_matmul *a);

#endif
