// Anisotropic total variation of maps [64, 56, 56, 512]. Bound by memory bandwidth: 4 bytes an element forward, 12
// backward, as long as two lines of a map stay in the cache.
#include "include/reduce.cuh"
#include "include/tg.cuh"
#include "totalvariation.h"

// A block takes one line of a map.
TG_KERNEL(total_variation, tg_total_variation, 256) {
  __shared__ double scratch[8];
  const int64_t length = a.width * a.channels;
  const float *x = a.x + blockIdx.x * length;
  const bool last = blockIdx.x % a.height + 1 == a.height;
  float along_x = 0, along_y = 0;
  for (int64_t i = threadIdx.x; i < length; i += 256) {
    if (i + a.channels < length) along_x += fabsf(x[i + a.channels] - x[i]);
    if (!last) along_y += fabsf(x[i + length] - x[i]);
  }
  const double sum = block_sum<256>(a.per_x * along_x + a.per_y * along_y, scratch);
  if (threadIdx.x == 0) a.partial[blockIdx.x] = sum;
}

// sign_of is -1, 0 or 1.
__device__ inline float sign_of(float v) { return (float)((v > 0) - (v < 0)); }

TG_KERNEL(total_variation_backward, tg_total_variation, 256) {
  const int64_t length = a.width * a.channels;
  const float per_x = (float)a.per_x, per_y = (float)a.per_y;
  for (int64_t line = blockIdx.x; line < a.lines; line += gridDim.x) {
    const float *x = a.x + line * length;
    const int64_t y = line % a.height;
    for (int64_t i = threadIdx.x; i < length; i += 256) {
      float across = 0, down = 0;
      if (i >= a.channels) across += sign_of(x[i] - x[i - a.channels]);
      if (i + a.channels < length) across += sign_of(x[i] - x[i + a.channels]);
      if (y > 0) down += sign_of(x[i] - x[i - length]);
      if (y + 1 < a.height) down += sign_of(x[i] - x[i + length]);
      a.dx[line * length + i] += per_x * across + per_y * down;
    }
  }
}
