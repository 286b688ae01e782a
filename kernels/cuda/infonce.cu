// Softmaxes in float64: exp(-104) would be 0 in float32. a*S - a lies in [-200, 0], so no running maximum is needed.
// 64 x 1024 scores: three exponentials each, too small to be bound by anything but the launch.
#include "include/reduce.cuh"
#include "include/tg.cuh"
#include "infonce.h"

constexpr double kMaxScale = 100;

__device__ inline double scale_of(const float *logit_scale) {
  const double a = exp((double)*logit_scale);
  return a > kMaxScale ? kMaxScale : a;
}

// A thread takes a column, rows in order.
TG_KERNEL(exp_columns, tg_exp_columns, 128) {
  const int64_t text = (int64_t)blockIdx.x * 128 + threadIdx.x;
  if (text >= a.texts) return;
  const double scale = scale_of(a.logit_scale);
  double sum = 0;
  for (int64_t i = 0; i < a.rows; i++) sum += exp(scale * a.scores[i * a.texts + text] - scale);
  a.columns[text] = sum;
}

// A block takes an image: dL/dS_ij = a (R + Q - 2I)/2N with row softmax R and column softmax Q.
TG_KERNEL(infonce, tg_infonce, 256) {
  __shared__ double scratch[8];
  const float *scores = a.scores + blockIdx.x * a.texts;
  const double scale = scale_of(a.logit_scale), share = 1 / (2 * (double)a.texts);
  double row = 0, slope = 0;
  for (int64_t j = threadIdx.x; j < a.texts; j += 256) row += exp(scale * scores[j] - scale);
  row = block_sum<256>(row, scratch);
  const int64_t own = a.first + blockIdx.x;
  for (int64_t j = threadIdx.x; j < a.texts; j += 256) {
    const double e = exp(scale * scores[j] - scale), g = e / row + e / a.columns[j] - (j == own ? 2 : 0);
    slope += share * g * scale * scores[j];
    a.dscores[blockIdx.x * a.texts + j] = (float)(a.weight * share * scale * g);
  }
  slope = block_sum<256>(slope, scratch);
  if (threadIdx.x != 0) return;
  a.partial[2 * blockIdx.x] = share * (2 * (scale - scale * scores[own]) + log(row) + log(a.columns[own]));
  a.partial[2 * blockIdx.x + 1] = slope;
}

TG_KERNEL(infonce_total, tg_infonce, 256) {
  __shared__ double scratch[8];
  const double loss = block_total<256>(a.partial, a.rows, 2, scratch);
  const double slope = block_total<256>(a.partial + 1, a.rows, 2, scratch);
  const bool clamped = exp((double)*a.logit_scale) > kMaxScale;
  if (threadIdx.x == 0) *a.loss = loss, *a.dlogit_scale = clamped ? 0 : (float)(a.weight * slope);
}
