// Pixel-adaptive mask refinement (tcl-spec section 8): 21 masks of 112 x 112, 48 neighbours, 10 iterations. The
// affinities of an image (2.4 MB) and a mask stay in the second cache, whose bandwidth is the limit.
#include "include/tg.cuh"
#include "pamr.h"

// neighbour returns where neighbour k of place (y, x) lies, the map's edge repeated: eight around each dilation.
__device__ inline int neighbour(const struct tg_pamr &a, int y, int x, int k) {
  const int dilation = a.dilation[k / 8], cell = k % 8 < 4 ? k % 8 : k % 8 + 1;
  int row = y + (cell / 3 - 1) * dilation, col = x + (cell % 3 - 1) * dilation;
  row = row < 0 ? 0 : row >= a.h ? a.h - 1 : row;
  col = col < 0 ? 0 : col >= a.w ? a.w - 1 : col;
  return row * a.w + col;
}

// deviation is the unbiased standard deviation of a plane over all neighbours of a place and, once a dilation, the
// place itself.
__device__ inline float deviation(const struct tg_pamr &a, const float *plane, int y, int x) {
  const int count = 8 * a.dilations;
  const float centre = plane[y * a.w + x], taps = (float)(9 * a.dilations);
  float mean = centre * a.dilations;
  for (int k = 0; k < count; k++) mean += plane[neighbour(a, y, x, k)];
  mean /= taps;
  float squares = (centre - mean) * (centre - mean) * a.dilations;
  for (int k = 0; k < count; k++) {
    const float off = plane[neighbour(a, y, x, k)] - mean;
    squares += off * off;
  }
  return sqrtf(squares / (taps - 1));
}

// softmax_column turns n logits, `step` apart, into their softmax.
__device__ inline void softmax_column(float *logits, int n, int step) {
  float most = logits[0], sum = 0;
  for (int k = 1; k < n; k++) most = fmaxf(most, logits[(int64_t)k * step]);
  for (int k = 0; k < n; k++) {
    const float e = expf(logits[(int64_t)k * step] - most);
    logits[(int64_t)k * step] = e;
    sum += e;
  }
  for (int k = 0; k < n; k++) logits[(int64_t)k * step] /= sum;
}

// A thread takes a place: the softmax over its neighbours of the channel mean of -|x_c - x_n|/(1e-8 + 0.1 sigma).
TG_KERNEL(pamr_affinity, tg_pamr, 128) {
  const int places = a.h * a.w, place = blockIdx.x * 128 + threadIdx.x, count = 8 * a.dilations;
  if (place >= places) return;
  const int y = place / a.w, x = place % a.w;
  for (int k = 0; k < count; k++) a.affinity[(int64_t)k * places + place] = 0;
  for (int c = 0; c < a.channels; c++) {
    const float *plane = a.image + (int64_t)c * places;
    const float scale = -1 / ((deviation(a, plane, y, x) * 0.1f + 1e-8f) * a.channels);
    for (int k = 0; k < count; k++)
      a.affinity[(int64_t)k * places + place] += fabsf(plane[place] - plane[neighbour(a, y, x, k)]) * scale;
  }
  softmax_column(a.affinity + place, count, places);
}

// A thread takes a place of a mask (y of the grid).
TG_KERNEL(pamr_step, tg_pamr, 128) {
  const int places = a.h * a.w, place = blockIdx.x * 128 + threadIdx.x, count = 8 * a.dilations;
  if (place >= places) return;
  const int y = place / a.w, x = place % a.w;
  for (int64_t mask = blockIdx.y; mask < a.count; mask += gridDim.y) {
    const float *from = a.from + mask * places;
    float sum = 0;
    for (int k = 0; k < count; k++) sum += a.affinity[(int64_t)k * places + place] * from[neighbour(a, y, x, k)];
    a.to[mask * places + place] = sum;
  }
}
