// Vectors that are divided by their norm (tcl-spec section 2.6).
#pragma once

#include "reduce.cuh"

// kFloor is the smallest norm that a vector is divided by.
constexpr float kFloor = 1e-6f;

__device__ inline float at_least_floor(float norm) { return norm < kFloor ? kFloor : norm; }

// warp_dot returns <x, y> to all lanes of a warp.
__device__ inline float warp_dot(const float *x, const float *y, int64_t n) {
  float sum = 0;
  for (int64_t i = threadIdx.x % 32; i < n; i += 32) sum += x[i] * y[i];
  return warp_sum(sum);
}

// warp_inverse_norm returns 1/max(|x|, kFloor) to all lanes of a warp.
__device__ inline float warp_inverse_norm(const float *x, int64_t n) {
  return 1 / at_least_floor(sqrtf(warp_dot(x, x, n)));
}
