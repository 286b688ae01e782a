#ifndef TG_GROUNDMASKS_H
#define TG_GROUNDMASKS_H

#include "pool.h"

// The inputs of the fused mask operations: kernels.Masks. Image i's positions are rows i*h*w.. of v.
struct tg_masks {
  long images, h, w, texts, channels, first;
  const float *v, *t, *scale, *bias, *noise;
  float tau;
};

// tg_ground_masks computes kernels.MaskResults; sums gets the three means.
struct tg_ground_masks {
  struct tg_masks in;
  float *scores, *hard, *soft;
  double *sums;
};
void tg_ground_masks(struct tg_pool *pool, const struct tg_ground_masks *a);

// tg_ground_masks_backward computes dv [images*h*w, channels] and the scalars dscale and dbias.
struct tg_ground_masks_backward {
  struct tg_masks in;
  const float *dscores, *dhard, *soft;
  float area_pos, area_neg, tv_x, tv_y;
  float *dv, *dscale, *dbias;
};
void tg_ground_masks_backward(struct tg_pool *pool, const struct tg_ground_masks_backward *a);

// tg_similarity computes s [images, texts, h*w], the cosine of every position with every text; of in it reads sizes, v and t.
struct tg_similarity {
  struct tg_masks in;
  float *s;
};
void tg_similarity(struct tg_pool *pool, const struct tg_similarity *a);

#endif
