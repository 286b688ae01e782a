// The epilogue of a matrix product (kernels.MatMul), for every kernel that computes one.
//
// It works on sums before they leave the SM: separate passes for bias, activation and residual would read and write c
// three times more, 24 bytes a number, which for k = 768 takes longer than its 1536 FLOP.
#pragma once

#include "include/gelu.cuh"
#include "include/tg.cuh"
#include "matmul.h"

// sigmoid divides by the approximate reciprocal (2 ulp): the exact one is a subroutine for each accumulator.
__device__ inline float sigmoid(float x) { return __fdividef(1.0f, 1 + expf(-x)); }

// finish takes complete sums through the epilogue and into c: numbers of one column, in the first `height` of `count`
// rows from `row` on. Each kind of read is done for all rows before any is used: memory answers them together.
template <int count>
__device__ inline void finish(const tg_matmul &a, int64_t row, int height, int col, float (&v)[count]) {
  auto each = [&](auto f) {
#pragma unroll
    for (int i = 0; i < count; i++)
      if (i < height) f(i);
  };
  float x[count];
  if (a.bias) {
    const float bias = a.bias[col];
    each([&](int i) { v[i] += bias; });
  }
  float *pre = a.pre + row * a.ld_pre + col;
  if (a.act_grad) {
    each([&](int i) { x[i] = pre[i * a.ld_pre]; });
    if (a.act_grad == TG_GELU)
      each([&](int i) { v[i] *= gelu_slope(x[i]); });
    else
      each([&](int i) {
        const float s = sigmoid(1.702f * x[i]);
        v[i] *= s * (1 + 1.702f * x[i] * (1 - s));
      });
  } else if (a.pre) {
    each([&](int i) { pre[i * a.ld_pre] = v[i]; });
  }
  if (a.act == TG_GELU)
    each([&](int i) { v[i] *= normal_cdf(v[i]); });
  else if (a.act)
    each([&](int i) { v[i] *= sigmoid(1.702f * v[i]); });
  if (a.residual) {
    const float *residual = a.residual + row * a.ld_residual + col;
    each([&](int i) { x[i] = residual[i * a.ld_residual]; });
    each([&](int i) { v[i] += x[i]; });
  }
  float *c = a.c + row * a.ld_c + col;
  if (a.add) {
    each([&](int i) { x[i] = c[i * a.ld_c]; });
    each([&](int i) { v[i] += x[i]; });
  }
  each([&](int i) { c[i * a.ld_c] = v[i]; });
}
