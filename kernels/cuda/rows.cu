// Whole rows: copied, added, gathered, summed.
#include "include/tg.cuh"
#include "rows.h"

TG_KERNEL(addto, tg_addto, 256) {
  for (int64_t i = (int64_t)blockIdx.x * 256 + threadIdx.x; i < a.rows * a.cols; i += (int64_t)gridDim.x * 256) {
    const int64_t row = i / a.cols, col = i % a.cols;
    a.dst[row * a.ld_dst + col] += a.src[row * a.ld_src + col];
  }
}
