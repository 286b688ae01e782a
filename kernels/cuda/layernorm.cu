// Layer norm over rows of 768 channels, up to 200 000 of them, with GELU fused behind it for the decoder. Bound by
// memory bandwidth: forward 8 bytes an element, backward 16. Rows are read more than once, but only the first time from
// memory.
#include "include/columns.cuh"
#include "include/gelu.cuh"
#include "include/reduce.cuh"
#include "include/tg.cuh"
#include "layernorm.h"

// A warp takes a row, so that there is no barrier.
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

// Where gamma and beta are frozen, a warp takes a row: dx += (g*gamma - mean(g*gamma) - xhat*mean(g*gamma*xhat))/std.
TG_KERNEL(layernorm_backward, tg_layernorm_backward, 256) {
  const int lane = threadIdx.x % 32;
  for (int64_t row = (int64_t)blockIdx.x * 8 + threadIdx.x / 32; row < a.rows; row += (int64_t)gridDim.x * 8) {
    float sum = 0, along = 0;
    for (int64_t c = lane; c < a.cols; c += 32) {
      const norm_grad v = grad_at<false>(a, row, c);
      sum += v.g * a.gamma[c];
      along += v.g * a.gamma[c] * v.xhat;
    }
    const float mean = warp_sum(sum) / a.cols, slope = warp_sum(along) / a.cols, inverse = a.stats[2 * row + 1];
    for (int64_t c = lane; c < a.cols; c += 32) {
      const norm_grad v = grad_at<false>(a, row, c);
      a.dx[row * a.ld_dx + c] += (v.g * a.gamma[c] - mean - v.xhat * slope) * inverse;
    }
  }
}

constexpr int kTrainedRows = 64; // rows of a block where gamma and beta are trained: many blocks, and few partial sums

// Otherwise a block takes a chunk of rows and a thread some of the columns, so that sums down the columns need no
// second look at the rows. They lie in shared memory with the row's g, each touched by one thread only.
template <bool gelu>
__device__ inline void trained_backward(const struct tg_layernorm_backward &a, float *shared) {
  __shared__ float scratch[8];
  float *g = shared, *dgamma = g + a.cols, *dbeta = dgamma + a.cols;
  for (int64_t c = threadIdx.x; c < a.cols; c += 256) dgamma[c] = dbeta[c] = 0;
  const int64_t first = (int64_t)blockIdx.x * kTrainedRows, next = first + kTrainedRows;
  const int64_t end = next < a.rows ? next : a.rows;
  for (int64_t row = first; row < end; row++) {
    float sum = 0, along = 0;
    for (int64_t c = threadIdx.x; c < a.cols; c += 256) {
      const norm_grad v = grad_at<gelu>(a, row, c);
      dgamma[c] += v.g * v.xhat;
      dbeta[c] += v.g;
      g[c] = v.g * a.gamma[c];
      sum += g[c];
      along += g[c] * v.xhat;
    }
    const float mean = block_sum<256>(sum, scratch) / a.cols, slope = block_sum<256>(along, scratch) / a.cols;
    const float middle = a.stats[2 * row], inverse = a.stats[2 * row + 1];
    for (int64_t c = threadIdx.x; c < a.cols; c += 256) {
      const float xhat = (a.x[row * a.ld_x + c] - middle) * inverse;
      a.dx[row * a.ld_dx + c] += (g[c] - mean - xhat * slope) * inverse;
    }
  }
  float *partial = a.partial + blockIdx.x * a.cols;
  for (int64_t c = threadIdx.x; c < a.cols; c += 256) {
    partial[c] = dgamma[c];
    partial[a.chunks * a.cols + c] = dbeta[c];
  }
}

TG_KERNEL(layernorm_backward_trained, tg_layernorm_backward, 256) {
  TG_DYNAMIC_SHARED(shared);
  trained_backward<false>(a, (float *)shared);
}

TG_KERNEL(layernorm_gelu_backward, tg_layernorm_backward, 256) {
  TG_DYNAMIC_SHARED(shared);
  trained_backward<true>(a, (float *)shared);
}

TG_KERNEL(layernorm_add_parameters, tg_layernorm_backward, 256) {
  __shared__ double lanes[kBlockLanes][kBlockCols];
  add_chunks(a.dgamma, a.partial, a.chunks, a.cols, lanes);
  add_chunks(a.dbeta, a.partial + a.chunks * a.cols, a.chunks, a.cols, lanes);
}
