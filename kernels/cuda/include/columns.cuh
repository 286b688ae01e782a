// Sums down the columns of tall matrices, in two steps whose order depends on nothing but the shape: first the rows of
// a chunk, then the chunks. Blocks of 256 threads take 32 columns, eight rows at a time: a warp reads 128 bytes of a
// row.
#pragma once

#include "tg.cuh"

constexpr int kBlockCols = 32, kBlockLanes = 8;

// strided_sums adds value(i) for this thread's column over i = lane, lane + 8, ... below n; the first 32 threads are
// left with the sum over all lanes. T is float for short sums and double for long ones.
template <typename T, typename Value>
__device__ inline T strided_sums(int64_t n, Value value, T (&lanes)[kBlockLanes][kBlockCols]) {
  const int lane = threadIdx.x / kBlockCols, column = threadIdx.x % kBlockCols;
  T sum = 0;
  for (int64_t i = lane; i < n; i += kBlockLanes) sum += value(i);
  __syncthreads();
  lanes[lane][column] = sum;
  __syncthreads();
  sum = 0;
  for (int l = 0; l < kBlockLanes; l++) sum += lanes[l][column];
  return sum;
}

// block_column is the column of this thread.
__device__ inline int64_t block_column() { return (int64_t)blockIdx.x * kBlockCols + threadIdx.x % kBlockCols; }

// add_chunks computes out[column] += the partial sums [chunks, cols] of the column; out may be null.
__device__ inline void add_chunks(float *out, const float *partial, int64_t chunks, int64_t cols,
                                  double (&lanes)[kBlockLanes][kBlockCols]) {
  const int64_t column = block_column();
  const bool inside = column < cols;
  const double sum = strided_sums(inside ? chunks : 0, [&](int64_t c) { return partial[c * cols + column]; }, lanes);
  if (out && inside && threadIdx.x < kBlockCols) out[column] += (float)sum;
}
