// Images unfolded into rows of patches, and back: 64 images of 3 x 224 x 224. Copies, bound by memory bandwidth.
#include "include/tg.cuh"
#include "patches.h"

// place returns where column col of patch row `row` lies in the images.
__device__ inline int64_t place(const struct tg_patches &a, int64_t row, int col) {
  const int size = a.patch * a.patch, channel = col / size, y = col % size / a.patch, x = col % a.patch;
  const int64_t image = row / (a.grid_h * a.grid_w);
  const int cell = (int)(row % (a.grid_h * a.grid_w));
  const int top = cell / a.grid_w * a.patch, left = cell % a.grid_w * a.patch;
  return ((image * a.channels + channel) * a.grid_h * a.patch + top + y) * a.grid_w * a.patch + left + x;
}

// A block takes rows, a thread columns.
TG_KERNEL(patches, tg_patches, 256) {
  const int cols = a.channels * a.patch * a.patch;
  for (int64_t row = blockIdx.x; row < a.count; row += gridDim.x)
    for (int col = threadIdx.x; col < cols; col += 256) a.rows[row * cols + col] = a.images[place(a, row, col)];
}

TG_KERNEL(patches_backward, tg_patches, 256) {
  const int cols = a.channels * a.patch * a.patch;
  for (int64_t row = blockIdx.x; row < a.count; row += gridDim.x)
    for (int col = threadIdx.x; col < cols; col += 256) a.images[place(a, row, col)] = a.rows[row * cols + col];
}
