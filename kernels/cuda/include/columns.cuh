// Sums down the columns of tall matrices, in two steps whose order depends on nothing but the shape: chunks of rows first.
#pragma once

#include "tg.cuh"

constexpr int kChunkRows = 512;  // rows that one block adds up
constexpr int kBlockCols = 32;   // columns of a block: a warp reads 128 bytes of a row
constexpr int kBlockLanes = 8;   // rows at a time

// chunk_lanes is the block's space for `count` sums a column.
template <int count>
using chunk_lanes = float[count][kBlockLanes][kBlockCols];

// chunk_sums adds up this thread's column over the rows of chunk blockIdx.y: add(row, sums) puts one row on top. All threads of a
// block of 256 call it, and the first kBlockCols of them are left with the sums over the block.
template <int count, typename Add>
__device__ inline void chunk_sums(float (&sums)[count], int64_t rows, Add add, chunk_lanes<count> &lanes) {
  const int lane = threadIdx.x / kBlockCols, column = threadIdx.x % kBlockCols;
  const int64_t first = (int64_t)blockIdx.y * kChunkRows;
  const int64_t end = first + kChunkRows < rows ? first + kChunkRows : rows;
  for (int k = 0; k < count; k++) sums[k] = 0;
  for (int64_t row = first + lane; row < end; row += kBlockLanes) add(row, sums);
  for (int k = 0; k < count; k++) lanes[k][lane][column] = sums[k];
  __syncthreads();
  for (int k = 0; k < count; k++) {
    sums[k] = 0;
    for (int l = 0; l < kBlockLanes; l++) sums[k] += lanes[k][l][column];
  }
}

// chunks_total adds one column's partial sums in order; in float64, so that thousands of chunks cost no digit.
__device__ inline float chunks_total(const float *partial, int64_t chunks, int64_t cols, int64_t column) {
  double sum = 0;
  for (int64_t c = 0; c < chunks; c++) sum += partial[c * cols + column];
  return (float)sum;
}
