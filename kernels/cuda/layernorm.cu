// Layer norm over rows of 768 channels, up to 200 000 of them, with GELU fused behind it for the decoder. Bound by memory
// bandwidth: forward 8 bytes an element, backward 16, and 8 more where gamma and beta are trained.
//
// A warp takes a row, which it reads more than once: only the first time from memory. So there is no barrier.
#include "include/columns.cuh"
#include "include/reduce.cuh"
#include "include/tg.cuh"
#include "layernorm.h"

// gelu is x*Phi(x), Phi being the normal distribution.
__device__ inline float normal_cdf(float x) { return 0.5f * erff(x * 0.70710678f) + 0.5f; }

// The slope of GELU is Phi(x) + x*phi(x).
__device__ inline float gelu_slope(float x) { return normal_cdf(x) + x * (expf(-0.5f * x * x) * 0.39894228f); }

template <bool gelu>
__device__ inline void normalise_row(const struct tg_layernorm &a, int64_t row) {
  const int lane = threadIdx.x % 32;
  const float *x = a.x + row * a.ld_x;
  float *y = a.y + row * a.ld_y, sum = 0, squares = 0;
  for (int64_t c = lane; c < a.cols; c += 32) sum += x[c];
  const float mean = warp_sum(sum) / a.cols;
  for (int64_t c = lane; c < a.cols; c += 32) squares += (x[c] - mean) * (x[c] - mean);
  const float inverse = 1 / sqrtf(warp_sum(squares) / a.cols + 1e-5f);
  for (int64_t c = lane; c < a.cols; c += 32) {
    const float z = (x[c] - mean) * inverse * a.gamma[c] + a.beta[c];
    y[c] = gelu ? z * normal_cdf(z) : z;
  }
  if (a.stats && lane == 0) a.stats[2 * row] = mean, a.stats[2 * row + 1] = inverse;
}

TG_KERNEL(layernorm, tg_layernorm, 256) {
  for (int64_t row = (int64_t)blockIdx.x * 8 + threadIdx.x / 32; row < a.rows; row += (int64_t)gridDim.x * 8)
    normalise_row<false>(a, row);
}

TG_KERNEL(layernorm_gelu, tg_layernorm, 256) {
  for (int64_t row = (int64_t)blockIdx.x * 8 + threadIdx.x / 32; row < a.rows; row += (int64_t)gridDim.x * 8)
    normalise_row<true>(a, row);
}

// norm_grad is what flows into the normalised value of one element: xhat and g = dy*slope(gamma*xhat + beta).
struct norm_grad {
  float xhat, g;
};

template <bool gelu>
__device__ inline norm_grad grad_at(const struct tg_layernorm_backward &a, int64_t row, int64_t c) {
  norm_grad v;
  v.xhat = (a.x[row * a.ld_x + c] - a.stats[2 * row]) * a.stats[2 * row + 1];
  v.g = a.dy[row * a.ld_dy + c];
  if (gelu) v.g *= gelu_slope(v.xhat * a.gamma[c] + a.beta[c]);
  return v;
}

// dx += (g*gamma - mean(g*gamma) - xhat*mean(g*gamma*xhat))/std.
template <bool gelu>
__device__ inline void normalise_row_backward(const struct tg_layernorm_backward &a, int64_t row) {
  const int lane = threadIdx.x % 32;
  float sum = 0, along = 0;
  for (int64_t c = lane; c < a.cols; c += 32) {
    const norm_grad v = grad_at<gelu>(a, row, c);
    sum += v.g * a.gamma[c];
    along += v.g * a.gamma[c] * v.xhat;
  }
  const float mean = warp_sum(sum) / a.cols, slope = warp_sum(along) / a.cols, inverse = a.stats[2 * row + 1];
  for (int64_t c = lane; c < a.cols; c += 32) {
    const norm_grad v = grad_at<gelu>(a, row, c);
    a.dx[row * a.ld_dx + c] += (v.g * a.gamma[c] - mean - v.xhat * slope) * inverse;
  }
}

TG_KERNEL(layernorm_backward, tg_layernorm_backward, 256) {
  for (int64_t row = (int64_t)blockIdx.x * 8 + threadIdx.x / 32; row < a.rows; row += (int64_t)gridDim.x * 8)
    normalise_row_backward<false>(a, row);
}

TG_KERNEL(layernorm_gelu_backward, tg_layernorm_backward, 256) {
  for (int64_t row = (int64_t)blockIdx.x * 8 + threadIdx.x / 32; row < a.rows; row += (int64_t)gridDim.x * 8)
    normalise_row_backward<true>(a, row);
}

// parameter_sums adds g*xhat and g over a chunk of rows.
template <bool gelu>
__device__ inline void parameter_sums(const struct tg_layernorm_backward &a, chunk_lanes<2> &lanes) {
  const int64_t col = (int64_t)blockIdx.x * kBlockCols + threadIdx.x % kBlockCols;
  const bool inside = col < a.cols;
  float sums[2];
  chunk_sums(sums, inside ? a.rows : 0, [&](int64_t row, float (&s)[2]) {
    const norm_grad v = grad_at<gelu>(a, row, col);
    s[0] += v.g * v.xhat;
    s[1] += v.g;
  }, lanes);
  if (!inside || threadIdx.x >= kBlockCols) return;
  a.partial[blockIdx.y * a.cols + col] = sums[0];
  a.partial[(a.chunks + blockIdx.y) * a.cols + col] = sums[1];
}

TG_KERNEL(layernorm_parameters, tg_layernorm_backward, 256) {
  __shared__ chunk_lanes<2> lanes;
  parameter_sums<false>(a, lanes);
}

TG_KERNEL(layernorm_gelu_parameters, tg_layernorm_backward, 256) {
  __shared__ chunk_lanes<2> lanes;
  parameter_sums<true>(a, lanes);
}

TG_KERNEL(layernorm_add_parameters, tg_layernorm_backward, 256) {
  const int64_t col = (int64_t)blockIdx.x * 256 + threadIdx.x;
  if (col >= a.cols) return;
  if (a.dgamma) a.dgamma[col] += chunks_total(a.partial, a.chunks, a.cols, col);
  if (a.dbeta) a.dbeta[col] += chunks_total(a.partial + a.chunks * a.cols, a.chunks, a.cols, col);
}
