// Matrix product c [m, n] = a·b with its epilogue: gemm.cuh on two dense matrices, each stored either way round (the n and t
// of a kernel's name, as in BLAS). Blocks of 128 x 128 where they fill a card, of 64 x 64 otherwise; where even those are few
// and k is long, as in weight gradients, several blocks share a tile's k and matmul_finish adds their sums in order.
#include "epilogue.cuh"
#include "gemm.cuh"

template <class Precision, int size, bool a_along, bool b_along>
__device__ inline void matmul(const tg_matmul &a) {
  const Dense left = {a.a, a_along ? a.m : a.k, a.ld_a, 0}, right = {a.b, b_along ? a.n : a.k, a.ld_b, 0};
  product<Precision, size, a_along, b_along>(left, right, a.m, a.n, Inner{1, a.k}, [&](int row, int col, float v) {
    float sum[1] = {v};
    if (a.splits == 1)
      finish(a, row, 1, col, sum);
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
  for (int64_t i = (int64_t)blockIdx.x * 256 + threadIdx.x; i < count; i += (int64_t)gridDim.x * 256) {
    float sum[1] = {sum_partials(a.partial + i, a.splits, count)};
    finish(a, i / a.n, 1, (int)(i % a.n), sum);
  }
}
