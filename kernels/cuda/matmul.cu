// Matrix product c [m, n] = a·b with its epilogue: gemm.cuh on two dense matrices, each stored either way round (the n and t
// of a kernel's name, as in BLAS). Blocks of 128 x 128 where they fill a card, of 64 x 64 otherwise; where even those are few
// and k is long, as in weight gradients, several blocks share a tile's k and matmul_finish adds their sums in order.
//
// The epilogue works on sums before they leave the SM: separate passes for bias, activation and residual would read and write
// c three times more, 24 bytes a number, which for k = 768 takes longer than its 1536 FLOP.
#include "gemm.cuh"
#include "matmul.h"

// sigmoid divides by the approximate reciprocal (2 ulp): the exact one is a subroutine for each accumulator.
__device__ inline float sigmoid(float x) { return __fdividef(1.0f, 1 + expf(-x)); }

// finish takes a complete sum through the epilogue and into c.
__device__ inline void finish(const tg_matmul &a, int64_t row, int col, float v) {
  if (a.bias) v += a.bias[col];
  if (a.act_grad) {
    const float x = a.pre[row * a.ld_pre + col], s = sigmoid(1.702f * x);
    v *= s * (1 + 1.702f * x * (1 - s));
  } else if (a.pre) {
    a.pre[row * a.ld_pre + col] = v;
  }
  if (a.act) v *= sigmoid(1.702f * v);
  if (a.residual) v += a.residual[row * a.ld_residual + col];
  float *c = a.c + row * a.ld_c + col;
  *c = a.add ? *c + v : v;
}

template <class Precision, int size, bool a_along, bool b_along>
__device__ inline void matmul(const tg_matmul &a) {
  const Dense left = {a.a, a_along ? a.m : a.k, a.ld_a, 0}, right = {a.b, b_along ? a.n : a.k, a.ld_b, 0};
  product<Precision, size, a_along, b_along>(left, right, a.m, a.n, Inner{1, a.k}, [&](int row, int col, float v) {
    if (a.splits == 1)
      finish(a, row, col, v);
    else
      a.partial[((int64_t)blockIdx.z * a.m + row) * a.n + col] = v;
  });
}

#define MATMUL(variant, precision, size)                                                                 \
  TG_KERNEL(matmul_##variant##_nn, tg_matmul, 2 * size) { matmul<precision, size, true, false>(a); }     \
  TG_KERNEL(matmul_##variant##_nt, tg_matmul, 2 * size) { matmul<precision, size, true, true>(a); }      \
  TG_KERNEL(matmul_##variant##_tn, tg_matmul, 2 * size) { matmul<precision, size, false, false>(a); }    \
  TG_KERNEL(matmul_##variant##_tt, tg_matmul, 2 * size) { matmul<precision, size, false, true>(a); }

MATMUL(bf16_128, Bf16, 128)
MATMUL(bf16_64, Bf16, 64)
MATMUL(f32, F32, 64)

TG_KERNEL(matmul_finish, tg_matmul, 256) {
  const int64_t count = (int64_t)a.m * a.n;
  for (int64_t i = (int64_t)blockIdx.x * 256 + threadIdx.x; i < count; i += (int64_t)gridDim.x * 256)
    finish(a, i / a.n, (int)(i % a.n), sum_partials(a.partial + i, a.splits, count));
}
