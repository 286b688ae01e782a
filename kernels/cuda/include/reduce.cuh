// Sums and maxima over a warp or a block, always in the same order: no atomics.
#pragma once

#include "tg.cuh"

template <typename T>
__device__ inline T warp_sum(T v) {
  for (int offset = 16; offset > 0; offset /= 2) v += __shfl_xor_sync(kFullMask, v, offset);
  return v;
}

template <typename T>
__device__ inline T warp_max(T v) {
  for (int offset = 16; offset > 0; offset /= 2) {
    const T other = __shfl_xor_sync(kFullMask, v, offset);
    v = v > other ? v : other;
  }
  return v;
}

// block_sum returns the sum of v over the block to every thread. scratch holds one T a warp (threads/32); the block is
// synchronised on entry to it and before the return.
template <int threads, typename T>
__device__ inline T block_sum(T v, T *scratch) {
  v = warp_sum(v);
  __syncthreads();
  if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = v;
  __syncthreads();
  T sum = 0;
  for (int w = 0; w < threads / 32; w++) sum += scratch[w];
  return sum;
}

// block_total returns the sum of n numbers, `step` apart, to every thread of the block: always in the same order.
template <int threads>
__device__ inline double block_total(const double *x, int64_t n, int64_t step, double *scratch) {
  double sum = 0;
  for (int64_t i = threadIdx.x; i < n; i += threads) sum += x[i * step];
  return block_sum<threads>(sum, scratch);
}
