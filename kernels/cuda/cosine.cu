// Cosines of a few image vectors with all texts: 64 x 1024 of 512 channels. Small; bound by the cache that the texts
// are read from.
#include "cosine.h"
#include "include/tg.cuh"
#include "include/unit.cuh"

// A warp takes a row.
TG_KERNEL(inverse_norms, tg_inverse_norms, 256) {
  for (int64_t row = (int64_t)blockIdx.x * 8 + threadIdx.x / 32; row < a.rows; row += (int64_t)gridDim.x * 8) {
    const float inverse = warp_inverse_norm(a.x + row * a.ld, a.width);
    if (threadIdx.x % 32 == 0) a.inverse[row] = inverse;
  }
}

// A warp takes a text (x of the grid) and an image (y).
TG_KERNEL(cosine, tg_cosine, 256) {
  const int64_t text = (int64_t)blockIdx.x * 8 + threadIdx.x / 32;
  if (text >= a.texts) return;
  const float *t = a.t + text * a.width;
  for (int64_t row = blockIdx.y; row < a.rows; row += gridDim.y) {
    const float *x = a.x + row * a.ld_x;
    const float score = warp_dot(x, t, a.width) * a.t_inverse[text] * warp_inverse_norm(x, a.width);
    if (threadIdx.x % 32 == 0) a.scores[row * a.texts + text] = score;
  }
}

// A block takes an image and a thread some of its channels: sum_j dS_j that_j, texts in order, then the way back
// through the normalisation, (g - <hat, g> hat)/|x|. Below the floor the divisor is a constant and nothing is
// projected.
TG_KERNEL(cosine_backward, tg_cosine_backward, 256) {
  __shared__ float scratch[8];
  const float *x = a.x + blockIdx.x * a.ld_x, *dscores = a.dscores + blockIdx.x * a.texts;
  float *dx = a.dx + blockIdx.x * a.ld_dx;
  float along = 0, squares = 0;
  for (int64_t c = threadIdx.x; c < a.width; c += 256) {
    float g = 0;
#pragma unroll 16 // so many loads on their way: there are few blocks
    for (int64_t j = 0; j < a.texts; j++) g += dscores[j] * a.t_inverse[j] * a.t[j * a.width + c];
    dx[c] = g;
    along += g * x[c];
    squares += x[c] * x[c];
  }
  const float norm = sqrtf(block_sum<256>(squares, scratch)), inverse = 1 / at_least_floor(norm);
  along = block_sum<256>(along, scratch);
  const float back = norm <= kFloor ? 0 : along * inverse * inverse;
  for (int64_t c = threadIdx.x; c < a.width; c += 256) dx[c] = (dx[c] - back * x[c]) * inverse;
}
