// What the mask operations share: pixels packed for products, and the soft masks of a few texts on them.
#ifndef TG_MASKPANELS_H
#define TG_MASKPANELS_H

#include "blocks.h"
#include "gemm.h"
#include "groundmasks.h"
#include "vectors.h"

enum {
  TG_MASK_ROWS = 28 / TG_MR * TG_MR, // texts a task: whole micro-tiles, and few maps, which fit the second cache
  TG_PANEL_FLOATS = 8 << 20,         // most floats of packed pixels at one time, unless one image has more
  TG_ACROSS = 8 * TG_NR,             // places and channels that are packed by one task
  TG_DOWN = 2 * TG_NR,
};

// panels are a group of images: their pixels across [channels, places] for products over channels, down [places, channels] for
// products over places (if pooled), and 1/max(|v|, floor) for each place.
struct TG(panels) {
  const struct tg_masks *in;
  int pooled;
  long places, most;   // positions of an image; images of a whole group
  long first, images;  // the group at hand
  long image_floats;   // of one image's packed pixels
  float *packed, *inverse;
};

TG_INLINE struct TG(panels) TG(plan_panels)(const struct tg_masks *in, int pooled) {
  struct TG(panels) p = {.in = in, .pooled = pooled, .places = in->h * in->w};
  p.image_floats = TG(packed_floats)(in->channels, p.places);
  if (pooled) p.image_floats += TG(packed_floats)(p.places, in->channels);
  p.most = TG_PANEL_FLOATS / p.image_floats;
  if (p.most > in->images) p.most = in->images;
  if (p.most < 1) p.most = 1;
  return p;
}

// panel_floats is the space of packed and inverse; place_panels puts them there.
TG_INLINE size_t TG(panel_floats)(const struct TG(panels) *p) { return p->most * (p->image_floats + p->places); }
TG_INLINE void TG(place_panels)(struct TG(panels) *p, float *space) {
  p->packed = space;
  p->inverse = space + p->most * p->image_floats;
}

TG_INLINE const float *TG(across)(const struct TG(panels) *p, long image) { return p->packed + image * p->image_floats; }
TG_INLINE const float *TG(down)(const struct TG(panels) *p, long image) {
  return TG(across)(p, image) + TG(packed_floats)(p->in->channels, p->places);
}

// The tasks of an image: first its places, then its channels.
static void TG(pack_panels_task)(void *ctx, int task, int thread) {
  (void)thread;
  const struct TG(panels) *p = ctx;
  long across = tg_blocks(p->places, TG_ACROSS), channels = p->in->channels;
  long tasks = across + (p->pooled ? tg_blocks(channels, TG_DOWN) : 0), image = task / tasks, block = task % tasks;
  const float *v = p->in->v + (p->first + image) * p->places * channels;
  if (block < across) {
    long at = block * TG_ACROSS, n = tg_min(TG_ACROSS, p->places - at);
    TG(sgemm_pack)((float *)TG(across)(p, image) + at * channels, (struct TG(matrix)){v + at * channels, channels, 1}, channels, n);
    for (long i = at; i < at + n; i++) p->inverse[image * p->places + i] = TG(inverse_norm)(v + i * channels, channels);
  } else {
    long at = (block - across) * TG_DOWN, n = tg_min(TG_DOWN, channels - at);
    TG(sgemm_pack)((float *)TG(down)(p, image) + at * p->places, (struct TG(matrix)){v + at, channels, 0}, p->places, n);
  }
}

// pack_panels packs the group that begins at image first.
static void TG(pack_panels)(struct tg_pool *pool, struct TG(panels) *p, long first) {
  p->first = first;
  p->images = tg_min(p->most, p->in->images - first);
  long tasks = tg_blocks(p->places, TG_ACROSS) + (p->pooled ? tg_blocks(p->in->channels, TG_DOWN) : 0);
  tg_parallel(pool, p->images * tasks, (double)p->images * p->image_floats, TG(pack_panels_task), p);
}

// similarities computes s [n, places] of an image with texts j.., whose unit vectors are left in that [n, channels].
static void TG(similarities)(const struct TG(panels) *p, long image, long j, long n, float *that, float *s, float *gemm) {
  long channels = p->in->channels;
  for (long r = 0; r < n; r++) {
    const float *t = p->in->t + (j + r) * channels;
    TG(scaled)(that + r * channels, TG(inverse_norm)(t, channels), t, channels);
  }
  TG(sgemm)(s, p->places, n, p->places, channels, (struct TG(matrix)){that, channels, 0}, TG(across)(p, image), 0, gemm);
  const float *inverse = p->inverse + image * p->places;
  for (long r = 0; r < n; r++) {
    float *row = s + r * p->places;
    TG_EACH_VECTOR(p->places, TG_STORE(row, TG_LOAD(row) * TG_LOAD(inverse)););
  }
}

// pooled_masks computes m = sigmoid(scale s + bias) [n, places], their sums mass [n], and f = sum m v / (mass + 1e-6) [n, channels].
static void TG(pooled_masks)(const struct TG(panels) *p, long image, long n, const float *s, float *m, float *mass, float *f,
                             float *gemm) {
  long channels = p->in->channels;
  vf scale = vf_set1(*p->in->scale), bias = vf_set1(*p->in->bias);
  for (long r = 0; r < n; r++) {
    const float *from = s + r * p->places;
    float *to = m + r * p->places;
    TG_EACH_VECTOR(p->places, TG_STORE(to, vf_sigmoid(vf_fma(scale, TG_LOAD(from), bias))););
    vf sum = vf_zero();
    TG_EACH_VECTOR(p->places, sum = sum + TG_LOAD(to););
    mass[r] = vf_sum(sum);
  }
  TG(sgemm)(f, channels, n, channels, p->places, (struct TG(matrix)){m, p->places, 0}, TG(down)(p, image), 0, gemm);
  for (long r = 0; r < n; r++) TG(scaled)(f + r * channels, 1 / (mass[r] + 1e-6f), f + r * channels, channels);
}

// mask_gemm_floats is the scratch of all products of a task.
TG_INLINE size_t TG(mask_gemm_floats)(long places, long channels) {
  size_t across = TG(sgemm_floats)(TG_MASK_ROWS, places, channels), down = TG(sgemm_floats)(TG_MASK_ROWS, channels, places);
  return across > down ? across : down;
}

#endif
