// 3x3 convolution of a nearest x2 upsampled map as four 2x2 convolutions of the small map (tcl-spec section 7): 16 products
// a small pixel instead of 36, and the upsampled map never exists.
//
// Along one axis, an output line of even number 2y reads small lines y-1 and y through {w0 | w1+w2}, an odd one 2y+1 reads y
// and y+1 through {w0+w1 | w2}. So the outputs of one parity (py, px) are a 2x2 convolution with folded weights, which
// conv3x3.cu does. Here are the folds: sums of float32 weights, rounded once, on their way into shared memory.
//
// For the input gradient a small pixel sees the large lines 2y-1 .. 2y+2, of parities 1, 0, 1, 0, through lines 1, 1, 0, 0
// of their kernels: a 4x4 window of step 2 on dout.
//
// Limit: the traffic of the weights, 9 floats read and 16 written each; the largest layer's take 59 MB, 20 us at 3 TB/s.
#include "gemm.cuh"
#include "upconv3x3.h"

// folded adds up the weights that lines and columns (py, px, r, s) of the 2x2 kernels stand for: along an axis, line r of
// parity p is made of lines {0}, {1, 2} for p = 0 and {0, 1}, {2} for p = 1.
__device__ inline float folded(const float *weight, int py, int px, int r, int s) {
  const int y0 = py ? 2 * r : r, y1 = py ? 1 + r : 2 * r, x0 = px ? 2 * s : s, x1 = px ? 1 + s : 2 * s;
  float sum = 0;
  for (int y = y0; y <= y1; y++)
    for (int x = x0; x <= x1; x++) sum += weight[y * 3 + x];
  return sum;
}

TG_KERNEL(upconv_fold, tg_upconv_fold, 256) {
  const int rows = a.turned ? a.ci : a.co, inner = a.turned ? a.co : a.ci;
  const int64_t count = (int64_t)rows * inner;
  for (int64_t i = (int64_t)blockIdx.x * 256 + threadIdx.x; i < count; i += (int64_t)gridDim.x * 256) {
    const int64_t row = i / inner, k = i % inner;
    const float *weight = a.weight + (a.turned ? k * rows + row : i) * 9;
    for (int high = 0; high < 4; high++)
      for (int low = 0; low < 4; low++) {
        // Forward: a parity and a tap. Turned: a line and a column of the window on dout.
        const float sum = a.turned ? folded(weight, 1 - high % 2, 1 - low % 2, high < 2, low < 2)
                                   : folded(weight, high / 2, high % 2, low / 2, low % 2);
        a.packed[(high * 4 + low) * count + i] = sum;
      }
  }
}

// The transpose of the fold: weight (ky, kx) takes the gradient of the one tap of each parity that it went into.
TG_KERNEL(upconv_unfold, tg_conv_unpack, 256) {
  const int64_t matrix = (int64_t)a.co * a.ci;
  for (int64_t i = (int64_t)blockIdx.x * 256 + threadIdx.x; i < 9 * matrix; i += (int64_t)gridDim.x * 256) {
    const int ky = (int)(i / matrix) / 3, kx = (int)(i / matrix) % 3;
    float sum = 0;
    for (int parity = 0; parity < 4; parity++) {
      const int r = ky >= 1 + parity / 2, s = kx >= 1 + parity % 2;
      sum += sum_partials(a.partial + (parity * 4 + r * 2 + s) * matrix + i % matrix, a.splits, 16 * matrix);
    }
    a.dweight[i % matrix * 9 + i / matrix] = sum;
  }
}
