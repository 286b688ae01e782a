// Whole rows: added, gathered, scattered, summed. From [1, 1] to some 200 000 x 3072; memory bandwidth bounds them all.
#include "include/columns.cuh"
#include "include/tg.cuh"
#include "rows.h"

// Blocks go over columns in x and over rows in y, so that no element costs a division.
TG_KERNEL(addto, tg_addto, 256) {
  for (int64_t row = blockIdx.y; row < a.rows; row += gridDim.y)
    for (int64_t col = (int64_t)blockIdx.x * 256 + threadIdx.x; col < a.cols; col += (int64_t)gridDim.x * 256)
      a.dst[row * a.ld_dst + col] += a.src[row * a.ld_src + col];
}

// The host cannot look at the index without waiting for it: a row that is not there is read as NaN, which the step's
// finite check finds, and is not written.
TG_KERNEL(gather_rows, tg_named_rows, 256) {
  for (int64_t row = blockIdx.y; row < a.rows; row += gridDim.y) {
    const int64_t from = a.index[row];
    const bool there = from >= 0 && from < a.limit;
    for (int64_t col = (int64_t)blockIdx.x * 256 + threadIdx.x; col < a.cols; col += (int64_t)gridDim.x * 256)
      a.dst[row * a.ld_dst + col] = there ? a.src[from * a.ld_src + col] : NAN;
  }
}

TG_KERNEL(scatter_rows, tg_named_rows, 256) {
  for (int64_t row = blockIdx.y; row < a.rows; row += gridDim.y) {
    const int64_t to = a.index[row];
    if (to < 0 || to >= a.limit) continue;
    for (int64_t col = (int64_t)blockIdx.x * 256 + threadIdx.x; col < a.cols; col += (int64_t)gridDim.x * 256)
      a.dst[to * a.ld_dst + col] += a.src[row * a.ld_src + col];
  }
}

constexpr int kChunkRows = 512;

TG_KERNEL(column_sums, tg_column_sums, 256) {
  __shared__ float lanes[kBlockLanes][kBlockCols];
  const int64_t column = block_column(), first = (int64_t)blockIdx.y * kChunkRows, left = a.rows - first;
  const bool inside = column < a.cols;
  const int64_t rows = !inside ? 0 : left < kChunkRows ? left : kChunkRows;
  const float *x = a.x + first * a.ld + column;
  const float sum = strided_sums(rows, [&](int64_t row) { return x[row * a.ld]; }, lanes);
  if (inside && threadIdx.x < kBlockCols) a.partial[blockIdx.y * a.cols + column] = sum;
}

TG_KERNEL(add_partials, tg_column_sums, 256) {
  __shared__ double lanes[kBlockLanes][kBlockCols];
  add_chunks(a.out, a.partial, a.chunks, a.cols, lanes);
}
