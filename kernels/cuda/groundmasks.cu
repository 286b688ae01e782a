// Text grounding (tcl-spec sections 2.6, 2.7, 3, 4): soft masks m = sigmoid(w s + b) of 64 images x 3136 places against
// 1024 texts, their pooled features, sums and gradients.
//
// Masks exist for one tile of at most 256 texts on one group of images at a time, in planes of working space whose size
// does not depend on the number of texts. Forward, for each tile:
//
//	s, m = t·v^T and its sigmoid          [texts, places]    ground_masks_*
//	F    = m·v                            [texts, channels]  ground_pool_*
//	score, mass and variation of a mask                      ground_pairs, ground_sums
//
// Backward the first two again, then
//
//	df of each pair                                          unground_pairs
//	dl from df·v^T                        [texts, places]    unground_masks_*, unground_bias
//	projection += sum_j dl s              [places]           unground_projection
//	dv += m^T·(df/A) + (w dl/(|v||t|))^T·t [places, channels] unground_pixels_*
//
// Limit: arithmetic of seven products of 2*B*N*P*E FLOP, together 1.5 TFLOP for 64 images, and beside it the planes:
// 0.8 GB each way each time that all of one kind are written or read, as far as the second cache does not hold them.
//
// Hard masks decide bits, so their similarities are float32 in either precision (draw_masks): one text an image costs
// little. Their uniforms are an input, drawn from the counters of internal/philox on the host: every device thresholds
// the same noise.
#include "gemm.cuh"
#include "groundmasks.h"
#include "include/unit.cuh"

__device__ inline float sigmoid(float x) { return 1 / (1 + expf(-x)); }

// view is a block's share of the arguments: image blockIdx.y of the group.
struct view {
  int places;
  const float *pixels, *pixel_inverse;
  int64_t plane, feature; // where the image's planes and rows of channels begin

  __device__ inline explicit view(const tg_ground &a)
      : places(a.height * a.width), pixels(a.pixels + (int64_t)blockIdx.y * places * a.channels),
        pixel_inverse(a.pixel_inverse + (int64_t)blockIdx.y * places), plane((int64_t)blockIdx.y * a.tile * places),
        feature((int64_t)blockIdx.y * a.tile * a.channels) {}
};

template <class Precision, int size>
__device__ inline void ground_masks(const tg_ground &a) {
  const view v(a);
  const float scale = a.masks ? *a.scale : 0, bias = a.masks ? *a.bias : 0;
  const Dense texts = {a.texts, a.count, a.channels, 0}, pixels = {v.pixels, v.places, a.channels, 0};
  const Inner channels = {1, a.channels};
  product<Precision, size, true, true>(texts, pixels, a.count, v.places, channels, [&](int j, int p, float dot) {
    const float s = dot * a.text_inverse[j] * v.pixel_inverse[p];
    const int64_t at = v.plane + (int64_t)j * v.places + p;
    if (a.similarity) a.similarity[at] = s;
    if (a.masks) a.masks[at] = sigmoid(scale * s + bias);
  });
}

TG_KERNEL(ground_masks_bf16_128, tg_ground, 256) { ground_masks<Bf16, 128>(a); }
TG_KERNEL(ground_masks_bf16_64, tg_ground, 128) { ground_masks<Bf16, 64>(a); }
TG_KERNEL(ground_masks_f32, tg_ground, 128) { ground_masks<F32, 64>(a); }

template <class Precision, int size>
__device__ inline void ground_pool(const tg_ground &a) {
  const view v(a);
  const Dense masks = {a.masks + v.plane, a.count, v.places, 0}, pixels = {v.pixels, v.places, a.channels, 0};
  const Inner places = {1, v.places};
  product<Precision, size, true, false>(masks, pixels, a.count, a.channels, places, [&](int j, int c, float sum) {
    a.pooled[v.feature + (int64_t)j * a.channels + c] = sum;
  });
}

TG_KERNEL(ground_pool_bf16_128, tg_ground, 256) { ground_pool<Bf16, 128>(a); }
TG_KERNEL(ground_pool_bf16_64, tg_ground, 128) { ground_pool<Bf16, 64>(a); }
TG_KERNEL(ground_pool_f32, tg_ground, 128) { ground_pool<F32, 64>(a); }

// pair is what a block of 256 knows of one image and one text, from the pooled sum F = sum_p m v.
struct pair {
  float area;           // sum_p m + 1e-6
  float inverse;        // 1/max(|f|, floor) of f = F/area
  float cosine;         // <f, that>, not yet divided by |f|
  bool above;           // whether |f| is above the floor
};

__device__ inline pair pair_of(const float *pooled, const float *text, float text_inverse, int channels, float mass,
                               float *scratch) {
  float squares = 0, dot = 0;
  for (int c = threadIdx.x; c < channels; c += 256) {
    squares += pooled[c] * pooled[c];
    dot += pooled[c] * text[c];
  }
  pair q;
  q.area = mass + 1e-6f;
  const float norm = sqrtf(block_sum<256>(squares, scratch)) / q.area;
  q.cosine = block_sum<256>(dot, scratch) * text_inverse / q.area;
  q.inverse = 1 / at_least_floor(norm);
  q.above = norm > kFloor;
  return q;
}

// A block takes a text (x of the grid) on an image (y): score, mass, total variation.
TG_KERNEL(ground_pairs, tg_ground, 256) {
  __shared__ float scratch[8];
  const view v(a);
  const int text = blockIdx.x;
  const float *mask = a.masks + v.plane + (int64_t)text * v.places;
  float mass = 0, across = 0, down = 0;
  for (int p = threadIdx.x; p < v.places; p += 256) {
    const float m = mask[p];
    mass += m;
    if (p % a.width + 1 < a.width) across += fabsf(mask[p + 1] - m);
    if (p + a.width < v.places) down += fabsf(mask[p + a.width] - m);
  }
  mass = block_sum<256>(mass, scratch);
  across = block_sum<256>(across, scratch);
  down = block_sum<256>(down, scratch);
  const float *pooled = a.pooled + v.feature + (int64_t)text * a.channels;
  const pair q = pair_of(pooled, a.texts + (int64_t)text * a.channels, a.text_inverse[text], a.channels, mass, scratch);
  if (threadIdx.x != 0) return;
  a.scores[blockIdx.y * a.all_texts + text] = q.cosine * q.inverse;
  double *part = a.parts + 2 * ((int64_t)blockIdx.y * a.tile + text);
  part[0] = mass;
  part[1] = a.per_x * across + a.per_y * down;
}

// One block adds the pairs of the tile to the three sums.
TG_KERNEL(ground_sums, tg_ground, 256) {
  __shared__ double scratch[8];
  double own = 0, other = 0, variation = 0;
  for (int n = threadIdx.x; n < a.images * a.count; n += 256) {
    const int image = n / a.count, text = n % a.count;
    const double *part = a.parts + 2 * ((int64_t)image * a.tile + text);
    (text == a.own + image ? own : other) += part[0];
    variation += part[1];
  }
  own = a.per_positive * block_sum<256>(own, scratch);
  other = a.per_negative * block_sum<256>(other, scratch);
  variation = block_sum<256>(variation, scratch);
  if (threadIdx.x != 0) return;
  a.sums[0] = (a.opens ? 0 : a.sums[0]) + own;
  a.sums[1] = (a.opens ? 0 : a.sums[1]) + other;
  a.sums[2] = (a.opens ? 0 : a.sums[2]) + variation;
}

// A warp takes a place: y = sigmoid((w s + b + log(u/(1-u)))/tau), and whether it exceeds one half.
TG_KERNEL(draw_masks, tg_draw_masks, 256) {
  const float scale = *a.scale, bias = *a.bias;
  const int64_t count = a.images * a.places;
  for (int64_t at = (int64_t)blockIdx.x * 8 + threadIdx.x / 32; at < count; at += (int64_t)gridDim.x * 8) {
    const float *v = a.pixels + at * a.channels, *t = a.texts + at / a.places * a.channels;
    const float s = warp_dot(v, t, a.channels) * warp_inverse_norm(v, a.channels) * warp_inverse_norm(t, a.channels);
    if (threadIdx.x % 32 != 0) continue;
    const float u = a.noise[at], y = sigmoid((scale * s + bias + (logf(u) - logf(1 - u))) / a.tau);
    a.soft[at] = y;
    a.hard[at] = y > 0.5f ? 1 : 0;
  }
}

// A block takes a text on an image: df = dS (that - <f, that> f/|f|^2)/|f| takes the place of F, divided by the area
// because both of its uses are; <f, df> is 0 but below the floor, where the divisor is a constant.
TG_KERNEL(unground_pairs, tg_ground, 256) {
  __shared__ float scratch[8];
  const view v(a);
  const int text = blockIdx.x;
  const float *mask = a.masks + v.plane + (int64_t)text * v.places, *t = a.texts + (int64_t)text * a.channels;
  float *pooled = a.pooled + v.feature + (int64_t)text * a.channels, mass = 0;
  for (int p = threadIdx.x; p < v.places; p += 256) mass += mask[p];
  mass = block_sum<256>(mass, scratch);
  const pair q = pair_of(pooled, t, a.text_inverse[text], a.channels, mass, scratch);
  const float dscore = a.scores[blockIdx.y * a.all_texts + text], factor = dscore * q.inverse / q.area;
  const float back = q.above ? q.cosine * q.inverse * q.inverse / q.area : 0;
  const float to_unit = a.text_inverse[text];
  for (int c = threadIdx.x; c < a.channels; c += 256) pooled[c] = factor * (t[c] * to_unit - back * pooled[c]);
  if (threadIdx.x == 0) a.along[(int64_t)blockIdx.y * a.tile + text] = q.above ? 0 : factor * q.cosine;
}

__device__ inline float sign_of(float v) { return (float)((v > 0) - (v < 0)); }

// variation_slope is the gradient of the total variation with respect to place p of a mask.
__device__ inline float variation_slope(const tg_ground &a, const float *mask, int p) {
  const float m = mask[p];
  const int x = p % a.width;
  float across = 0, down = 0;
  if (x > 0) across += sign_of(m - mask[p - 1]);
  if (x + 1 < a.width) across += sign_of(m - mask[p + 1]);
  if (p >= a.width) down += sign_of(m - mask[p - a.width]);
  if (p + a.width < a.height * a.width) down += sign_of(m - mask[p + a.width]);
  return a.tv_x * across + a.tv_y * down;
}

// dl = dm m (1-m), plus the straight-through gradient of the hard mask where the text is the image's own. Masks are
// read by neighbours too and stay; the similarity is not needed any more but in dl*s, which takes its place.
template <class Precision, int size>
__device__ inline void unground_masks(const tg_ground &a) {
  __shared__ double scratch[size / 16];
  const view v(a);
  const float scale = *a.scale;
  const Dense grads = {a.pooled + v.feature, a.count, a.channels, 0}, pixels = {v.pixels, v.places, a.channels, 0};
  float sum = 0;
  const Inner channels = {1, a.channels};
  product<Precision, size, true, true>(grads, pixels, a.count, v.places, channels, [&](int j, int p, float inner) {
    const float *mask = a.masks + v.plane + (int64_t)j * v.places, m = mask[p];
    const bool own = j == a.own + (int)blockIdx.y;
    const float along = a.along[(int64_t)blockIdx.y * a.tile + j];
    const float dm = inner - along + (own ? a.area_pos : a.area_neg) + variation_slope(a, mask, p);
    float dl = dm * m * (1 - m);
    if (own) {
      const int64_t at = (int64_t)blockIdx.y * v.places + p;
      dl += a.dhard[at] * a.soft[at] * (1 - a.soft[at]) / a.tau;
    }
    const int64_t at = v.plane + (int64_t)j * v.places + p;
    a.similarity[at] *= dl;
    a.slopes[at] = scale * dl * v.pixel_inverse[p] * a.text_inverse[j];
    sum += dl;
  });
  const double total = block_sum<2 * size>((double)sum, scratch);
  if (threadIdx.x == 0) a.parts[(int64_t)blockIdx.y * gridDim.x + blockIdx.x] = total;
}

TG_KERNEL(unground_masks_bf16_128, tg_ground, 256) { unground_masks<Bf16, 128>(a); }
TG_KERNEL(unground_masks_bf16_64, tg_ground, 128) { unground_masks<Bf16, 64>(a); }
TG_KERNEL(unground_masks_f32, tg_ground, 128) { unground_masks<F32, 64>(a); }

// One block adds the parts of the tile to the gradient of the bias.
TG_KERNEL(unground_bias, tg_ground, 256) {
  __shared__ double scratch[8];
  const double sum = block_total<256>(a.parts, a.part_count, 1, scratch);
  if (threadIdx.x == 0) *a.bias_sum = (a.opens ? 0 : *a.bias_sum) + sum;
}

// A thread takes a place: dl*s over the texts of the tile, in order.
TG_KERNEL(unground_projection, tg_ground, 128) {
  const view v(a);
  const int p = blockIdx.x * 128 + threadIdx.x;
  if (p >= v.places) return;
  float sum = 0;
  for (int j = 0; j < a.count; j++) sum += a.similarity[v.plane + (int64_t)j * v.places + p];
  float *projection = a.projection + (int64_t)blockIdx.y * v.places + p;
  *projection = (a.begins ? 0 : *projection) + sum;
}

// Either serves the two halves of the last product's inner dimension: number k of half `tap`.
struct Either {
  const float *first, *second;
  int rows;
  int64_t ld;

  __device__ inline const float *row(int r, int tap) const {
    return r < rows ? (tap ? second : first) + r * ld : nullptr;
  }
};

// After the last tile comes what the normalisation of v projects away, unless |v| is below the floor.
template <class Precision, int size>
__device__ inline void unground_pixels(const tg_ground &a) {
  const view v(a);
  const float scale = *a.scale;
  const Either weights = {a.masks + v.plane, a.slopes + v.plane, a.count, v.places};
  const Either factors = {a.pooled + v.feature, a.texts, a.count, a.channels};
  const Inner halves = {2, a.count};
  product<Precision, size, false, false>(weights, factors, v.places, a.channels, halves, [&](int p, int c, float sum) {
    const int64_t place = (int64_t)blockIdx.y * v.places + p;
    float *dv = a.dpixels + place * a.channels + c;
    if (!a.begins) sum += *dv;
    const float inverse = v.pixel_inverse[p];
    if (a.last && inverse < 1 / kFloor)
      sum -= scale * a.projection[place] * inverse * inverse * v.pixels[(int64_t)p * a.channels + c];
    *dv = sum;
  });
}

TG_KERNEL(unground_pixels_bf16_128, tg_ground, 256) { unground_pixels<Bf16, 128>(a); }
TG_KERNEL(unground_pixels_bf16_64, tg_ground, 128) { unground_pixels<Bf16, 64>(a); }
TG_KERNEL(unground_pixels_f32, tg_ground, 128) { unground_pixels<F32, 64>(a); }

// One block adds over all places.
TG_KERNEL(unground_scalars, tg_unground_scalars, 1024) {
  __shared__ double scratch[32];
  double sum = 0;
  for (int64_t i = threadIdx.x; i < a.n; i += 1024) sum += a.projection[i];
  sum = block_sum<1024>(sum, scratch);
  if (threadIdx.x == 0) *a.dscale = (float)sum, *a.dbias = (float)*a.bias_sum;
}
