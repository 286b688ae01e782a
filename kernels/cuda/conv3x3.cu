// 3x3 convolutions of NHWC maps as matrix products (implicit GEMM, gemm.cuh): rows are positions, the inner dimension runs
// over (tap, channel), columns are output channels. The matrix of windows is never made: a Window tells where each of its
// rows lies in the map for each tap, and steps never cross from one tap to the next, so a step is a plain strip of channels.
//
//	forward          out [p, co]       = sum over tap, ci of in [p seen through tap, ci] * packed [tap, co, ci]
//	input gradient   din [p, ci]       = the same of dout with turned weights
//	weight gradient  dweight [tap, co, ci] = sum over p of dout [p, co] * in [p seen through tap, ci]
//
// The first two are one kernel; upconv3x3.cu runs it over the small map, once for each parity of the outputs. Weights are
// brought into the order of the product first: 21 MB for 768 channels both ways, against at least 8 GFLOP an image.
//
// Limit: as gemm.cuh. All nine taps of a tile read nearly the same pixels, so the map comes from the first cache mostly and
// global memory sees it about once for each 128 output channels.
#include "conv3x3.h"
#include "gemm.cuh"

TG_KERNEL(conv_pack, tg_conv_pack, 256) {
  const int rows = a.turned ? a.ci : a.co, inner = a.turned ? a.co : a.ci;
  const int64_t count = (int64_t)rows * inner;
  for (int64_t i = (int64_t)blockIdx.x * 256 + threadIdx.x; i < count; i += (int64_t)gridDim.x * 256) {
    const int64_t row = i / inner, k = i % inner;
    const float *taps = a.weight + (a.turned ? k * rows + row : i) * 9;
    for (int tap = 0; tap < 9; tap++) a.packed[tap * count + i] = taps[a.turned ? 8 - tap : tap];
  }
}

// out_row is the place among the pixels of out of position number r and the block's parity.
__device__ inline int64_t out_row(const tg_conv &a, int r) {
  if (a.up == 1) return r;
  const int line = r / a.w, x = r % a.w; // lines are counted through all images
  return ((int64_t)line * 2 + blockIdx.y / 2) * 2 * a.w + 2 * x + blockIdx.y % 2;
}

template <class Precision, int size>
__device__ inline void convolve(const tg_conv &a) {
  const int taps = a.across * a.across, rows = a.batch * a.h * a.w, parity = blockIdx.y;
  const int64_t matrix = (int64_t)a.cols * a.inner;
  const Window window = {a.map,  a.map_h, a.map_w, a.inner,        rows,    a.h, a.w,
                         a.step, a.first + parity / 2, a.first + parity % 2, a.across};
  const Dense weights = {a.packed + parity * taps * matrix, a.cols, a.inner, matrix};
  const float scale = tanhf(*a.gate);
  product<Precision, size, true, true>(window, weights, rows, a.cols, Inner{taps, a.inner}, [&](int row, int col, float v) {
    if (a.bias) v += a.bias[col];
    v *= scale;
    if (a.residual) v += a.residual[(int64_t)row * a.cols + col];
    a.out[out_row(a, row) * a.cols + col] = v;
  });
}

TG_KERNEL(conv_bf16_128, tg_conv, 256) { convolve<Bf16, 128>(a); }
TG_KERNEL(conv_bf16_64, tg_conv, 128) { convolve<Bf16, 64>(a); }
TG_KERNEL(conv_f32, tg_conv, 128) { convolve<F32, 64>(a); }

// Weight gradients: a block row for each tap (blockIdx.y counts parities, then taps), the inner dimension is positions.
template <class Precision, int size>
__device__ inline void convolve_weights(const tg_conv_weight_grad &a) {
  const int taps = a.across * a.across, parity = blockIdx.y / taps, tap = blockIdx.y % taps;
  const int py = parity / 2, px = parity % 2, positions = a.batch * a.h * a.w;
  const Window douts = {a.dout, a.up * a.h, a.up * a.w, a.co, positions, a.h, a.w, a.up, py, px, 1};
  const Window pixels = {a.map, a.h, a.w, a.ci, positions, a.h, a.w, 1, py - 1 + tap / a.across, px - 1 + tap % a.across, 1};
  float *partial = a.partial + ((int64_t)blockIdx.z * gridDim.y + blockIdx.y) * a.co * a.ci;
  product<Precision, size, false, false>(douts, pixels, a.co, a.ci, Inner{1, positions},
                                         [&](int row, int col, float v) { partial[(int64_t)row * a.ci + col] = v; });
}

TG_KERNEL(conv_weight_grad_bf16_128, tg_conv_weight_grad, 256) { convolve_weights<Bf16, 128>(a); }
TG_KERNEL(conv_weight_grad_bf16_64, tg_conv_weight_grad, 128) { convolve_weights<Bf16, 64>(a); }
TG_KERNEL(conv_weight_grad_f32, tg_conv_weight_grad, 128) { convolve_weights<F32, 64>(a); }

TG_KERNEL(conv_unpack, tg_conv_unpack, 256) {
  const int64_t matrix = (int64_t)a.co * a.ci;
  for (int64_t i = (int64_t)blockIdx.x * 256 + threadIdx.x; i < 9 * matrix; i += (int64_t)gridDim.x * 256)
    a.dweight[i % matrix * 9 + i / matrix] = sum_partials(a.partial + i, a.splits, 9 * matrix);
}
