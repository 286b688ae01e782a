// Planes resampled as PyTorch's interpolate does: masks and score maps of some 100 classes, images. Bound by memory
// bandwidth where planes grow. Where the sources lie is worked out once for each line and column, in float64.
#include "include/tg.cuh"
#include "resize.h"

__device__ inline void set_taps(struct tg_taps &t, int first, int n, double w0, double w1, double w2, double w3) {
  const double weight[4] = {w0, w1, w2, w3};
  for (int k = 0; k < 4; k++) {
    const int from = first + k;
    t.from[k] = from < 0 ? 0 : from >= n ? n - 1 : from;
    t.weight[k] = (float)weight[k];
  }
}

__device__ inline void linear_taps(struct tg_taps &t, double at, int n) {
  const int low = at < n - 1 ? (int)at : n - 1;
  set_taps(t, low, n, 1 - (at - low), at - low, 0, 0);
}

// Keys' kernel with a = -0.75, within one step of the middle and beyond.
constexpr double kKeys = -0.75;
__device__ inline double keys_near(double x) { return ((kKeys + 2) * x - (kKeys + 3)) * x * x + 1; }
__device__ inline double keys_far(double x) { return ((kKeys * x - 5 * kKeys) * x + 8 * kKeys) * x - 4 * kKeys; }

__device__ inline void cubic_taps(struct tg_taps &t, double at, int n) {
  const double low = floor(at), p = at - low, q = 1 - p;
  set_taps(t, (int)low - 1, n, keys_far(p + 1), keys_near(p), keys_near(q), keys_far(q + 1));
}

// axis_taps finds the sources, among m, of output i of n.
__device__ inline void axis_taps(struct tg_taps &t, int i, int n, int m, int how) {
  const double centre = (i + 0.5) * m / n - 0.5;
  if (how == TG_NEAREST) set_taps(t, (int)((int64_t)i * m / n), m, 1, 0, 0, 0);
  if (how == TG_BILINEAR) linear_taps(t, centre < 0 ? 0 : centre, m);
  if (how == TG_BILINEAR_ALIGNED) linear_taps(t, (double)i * (m - 1) / (n > 1 ? n - 1 : 1), m);
  if (how == TG_BICUBIC) cubic_taps(t, centre, m);
}

TG_KERNEL(resize_taps, tg_resize, 128) {
  const int i = blockIdx.x * 128 + threadIdx.x;
  if (i < a.height) axis_taps(a.taps[i], i, a.height, a.h, a.how);
  else if (i < a.height + a.width) axis_taps(a.taps[i], i - a.height, a.width, a.w, a.how);
}

// A block takes output lines. Sources without weight are not read: they may be infinite.
TG_KERNEL(resize, tg_resize, 256) {
  for (int64_t line = blockIdx.x; line < a.lines; line += gridDim.x) {
    const struct tg_taps y = a.taps[line % a.height];
    const float *plane = a.src + line / a.height * a.h * a.w;
    for (int i = threadIdx.x; i < a.width; i += 256) {
      const struct tg_taps x = a.taps[a.height + i];
      float sum = 0;
      for (int r = 0; r < 4; r++) {
        if (y.weight[r] == 0) continue;
        float across = 0;
        for (int c = 0; c < 4; c++)
          if (x.weight[c] != 0) across += x.weight[c] * plane[(int64_t)y.from[r] * a.w + x.from[c]];
        sum += y.weight[r] * across;
      }
      a.dst[line * a.width + i] = sum;
    }
  }
}
