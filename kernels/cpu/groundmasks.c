// Feature-level scores, hard masks and mask sums without ever storing the soft masks: a task makes the masks of some texts on
// one image, uses them and forgets them.
//
// The limit is arithmetic: 2 products of 2*P*E FLOP a pair, 13 GFLOP for B = 4, N = 1024, P = 3136, E = 512 together; 59 ms on
// two cores of 112 GFLOP/s. The sigmoid of the B*N*P values costs about 30 cycles a vector, 10 ms.
#include "groundmasks.h"
#include "op.h"

#ifdef TG_ISA

#include "maskpanels.h"

struct TG(ground_job) {
  struct tg_pool *pool;
  const struct tg_ground_masks *a;
  struct TG(panels) panels;
  long blocks;     // tasks an image
  double *partial; // [images, blocks, 3]: mass of the positive pairs, of the negative pairs, weighted total variation
};

// variation is sum |x step|/steps_x + sum |y step|/steps_y of one mask; padded is space for the mask with a border.
static double TG(variation)(const struct tg_masks *in, const float *m, float *padded) {
  long h = in->h, w = in->w, width = w + 2;
  TG(pad)(padded, m, h, w, 1);
  vf across = vf_zero(), along = vf_zero();
  for (long y = 0; y < h; y++) {
    const float *here = padded + (y + 1) * width + 1, *east = here + 1, *south = here + width;
    TG_EACH_VECTOR(w, {
      vf v = TG_LOAD(here);
      across = across + vf_abs(TG_LOAD(east) - v);
      along = along + vf_abs(TG_LOAD(south) - v);
    });
  }
  double pairs = (double)in->images * in->texts, sum = 0;
  if (w > 1) sum += vf_sum(across) / (pairs * h * (w - 1));
  if (h > 1) sum += vf_sum(along) / (pairs * (h - 1) * w);
  return sum;
}

// draw_hard computes the Gumbel-sigmoid y and the hard mask of image i's own text.
static void TG(draw_hard)(const struct tg_ground_masks *a, long i, const float *s) {
  long places = a->in.h * a->in.w;
  const float *noise = a->in.noise + i * places;
  float *soft = a->soft + i * places, *hard = a->hard + i * places;
  vf scale = vf_set1(*a->in.scale), bias = vf_set1(*a->in.bias), tau = vf_set1(a->in.tau);
  TG_EACH_VECTOR(places, {
    vf u = TG_LOAD(noise);
    vf logit = vf_fma(scale, TG_LOAD(s), bias) + (vf_log(u) - vf_log(1.f - u));
    vf y = vf_sigmoid(logit / tau);
    TG_STORE(soft, y);
    TG_STORE(hard, vf_select(y > 0.5f, vf_set1(1), vf_zero()));
  });
}

static void TG(ground_task)(void *ctx, int task, int thread) {
  const struct TG(ground_job) *job = ctx;
  const struct TG(panels) *p = &job->panels;
  const struct tg_ground_masks *a = job->a;
  long places = p->places, channels = a->in.channels, rows = TG_MASK_ROWS;
  long image = task / job->blocks, block = task % job->blocks, j = block * rows, n = tg_min(rows, a->in.texts - j);
  long i = p->first + image;
  size_t gemm_floats = TG(mask_gemm_floats)(places, channels), padded_floats = (a->in.h + 2) * (a->in.w + 2);
  float *that = tg_scratch(job->pool, thread, 4 * (rows * (2 * channels + 2 * places + 1) + padded_floats + gemm_floats));
  float *f = that + rows * channels, *s = f + rows * channels, *m = s + rows * places, *mass = m + rows * places;
  float *padded = mass + rows, *gemm = padded + padded_floats;
  TG(similarities)(p, image, j, n, that, s, gemm);
  TG(pooled_masks)(p, image, n, s, m, mass, f, gemm);
  double *sums = job->partial + (i * job->blocks + block) * 3;
  memset(sums, 0, 3 * sizeof *sums);
  for (long r = 0; r < n; r++) {
    const float *row = f + r * channels;
    a->scores[i * a->in.texts + j + r] = TG(dot)(row, that + r * channels, channels) * TG(inverse_norm)(row, channels);
    int positive = j + r == a->in.first + i;
    sums[positive ? 0 : 1] += mass[r];
    sums[2] += TG(variation)(&a->in, m + r * places, padded);
    if (positive) TG(draw_hard)(a, i, s + r * places);
  }
}

void TG(ground_masks)(struct tg_pool *pool, const struct tg_ground_masks *a) {
  struct TG(ground_job) job = {pool, a, TG(plan_panels)(&a->in, 1), tg_blocks(a->in.texts, TG_MASK_ROWS), NULL};
  long partials = a->in.images * job.blocks * 3;
  job.partial = tg_shared(pool, 8 * partials + 4 * TG(panel_floats)(&job.panels));
  TG(place_panels)(&job.panels, (float *)(job.partial + partials));
  double cost = 4.0 * a->in.texts * job.panels.places * a->in.channels / 32;
  for (long first = 0; first < a->in.images; first += job.panels.most) {
    TG(pack_panels)(pool, &job.panels, first);
    tg_parallel(pool, job.panels.images * job.blocks, cost * job.panels.images, TG(ground_task), &job);
  }
  double sums[3] = {0};
  for (long k = 0; k < partials; k++) sums[k % 3] += job.partial[k];
  double own = (double)a->in.images * job.panels.places;
  a->sums[0] = sums[0] / own;
  a->sums[1] = a->in.texts > 1 ? sums[1] / (own * (a->in.texts - 1)) : 0;
  a->sums[2] = sums[2];
}

struct TG(similarity_job) {
  struct tg_pool *pool;
  const struct tg_similarity *a;
  struct TG(panels) panels;
  long blocks;
};

static void TG(similarity_task)(void *ctx, int task, int thread) {
  const struct TG(similarity_job) *job = ctx;
  const struct TG(panels) *p = &job->panels;
  const struct tg_masks *in = &job->a->in;
  long image = task / job->blocks, j = task % job->blocks * TG_MASK_ROWS, n = tg_min(TG_MASK_ROWS, in->texts - j);
  size_t floats = TG_MASK_ROWS * in->channels + TG(sgemm_floats)(TG_MASK_ROWS, p->places, in->channels);
  float *that = tg_scratch(job->pool, thread, 4 * floats), *gemm = that + TG_MASK_ROWS * in->channels;
  TG(similarities)(p, image, j, n, that, job->a->s + ((p->first + image) * in->texts + j) * p->places, gemm);
}

void TG(similarity)(struct tg_pool *pool, const struct tg_similarity *a) {
  struct TG(similarity_job) job = {pool, a, TG(plan_panels)(&a->in, 0), tg_blocks(a->in.texts, TG_MASK_ROWS)};
  TG(place_panels)(&job.panels, tg_shared(pool, 4 * TG(panel_floats)(&job.panels)));
  double cost = 2.0 * a->in.texts * job.panels.places * a->in.channels / 32;
  for (long first = 0; first < a->in.images; first += job.panels.most) {
    TG(pack_panels)(pool, &job.panels, first);
    tg_parallel(pool, job.panels.images * job.blocks, cost * job.panels.images, TG(similarity_task), &job);
  }
}

#else

TG_DISPATCH(ground_masks, struct tg_ground_masks)
TG_DISPATCH(similarity, struct tg_similarity)

#endif
