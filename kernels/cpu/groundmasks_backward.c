// The backward of ground_masks, with the soft masks made again (tcl-spec section 4).
//
// Texts go by in tiles. For each tile, tasks of some texts on one image make the masks again and turn them into two weights a
// place, W1 = m/A for dv += sum_j W1 df_j and W2 = w dl/|v| for dv += sum_j W2 that_j; then tasks of some places of one image
// add [W1; W2]^T [df; that] to dv, in the order of tiles. The projection of the normalisation, which only needs
// sum_j w dl s, comes last. So the working space is that of one tile, however many texts there are.
//
// The limit is arithmetic: 5 products of 2*P*E FLOP a pair (s, f, dm, and two in dv), 33 GFLOP for B = 4, N = 1024, P = 3136,
// E = 512; 147 ms on two cores of 112 GFLOP/s.
#include "groundmasks.h"
#include "op.h"

#ifdef TG_ISA

#include "maskpanels.h"

enum { TG(tile_blocks) = 4, TG(tile_texts) = 4 * TG_MASK_ROWS };

struct TG(unground_job) {
  struct tg_pool *pool;
  const struct tg_ground_masks_backward *a;
  struct TG(panels) panels;
  long j, texts, blocks; // the tile: its first text, how many, in how many tasks an image
  int last;              // whether no tile follows
  float *weights;        // [images of the group, W1 and W2 of the tile's texts, places]
  float *factors;        // [images, df and that of the tile's texts, channels]
  float *packed;         // the factors packed
  float *along;          // [images, tile_blocks, places]: parts of sum_j w dl s
  float *total;          // [images, places]: the sum of all parts so far
  double *sums;          // [images, tile_blocks, 2]: parts of dscale and dbias
};

TG_INLINE float *TG(tile_weights)(const struct TG(unground_job) *job, long image) {
  return job->weights + image * 2 * TG(tile_texts) * job->panels.places;
}
TG_INLINE float *TG(tile_factors)(const struct TG(unground_job) *job, long image) {
  return job->factors + image * 2 * TG(tile_texts) * job->a->in.channels;
}
TG_INLINE float *TG(tile_packed)(const struct TG(unground_job) *job, long image) {
  return job->packed + image * TG(packed_floats)(2 * TG(tile_texts), job->a->in.channels);
}

// pair is one text on one image, while the gradient of its mask is made.
struct TG(pair) {
  long i;              // image
  int positive;        // whether the text is the image's own
  float area;          // mass + 1e-6
  float along;         // <f, df>, which is 0 but at the floor
  const float *padded; // the mask with a border
  const float *inner;  // <v_p, df>
  const float *inverse;
  float *mask;         // in: m, out: W1
  float *s;            // in: s, out: W2
  float *projection;   // += w dl s
};

// step is the weight times the sign of x - y.
TG_INLINE vf TG(mask_step)(vf x, vf y, vf weight) {
  return vf_select(x > y, weight, vf_select(x < y, -weight, vf_zero()));
}

// logit_gradient computes dl of one pair, and from it W1 and W2 in place and its part of dscale and dbias.
static void TG(logit_gradient)(const struct tg_ground_masks_backward *a, const struct TG(pair) *q, double *sums) {
  long h = a->in.h, w = a->in.w, width = w + 2;
  vf step_x = vf_set1(a->tv_x), step_y = vf_set1(a->tv_y), constant = vf_set1(q->positive ? a->area_pos : a->area_neg);
  vf per_area = vf_set1(1 / q->area), along = vf_set1(q->along), scale = vf_set1(*a->in.scale), sum = vf_zero(), weighted = vf_zero();
  for (long y = 0; y < h; y++) {
    const float *here = q->padded + (y + 1) * width + 1, *west = here - 1, *east = here + 1, *north = here - width, *south = here + width;
    const float *inner = q->inner + y * w, *inverse = q->inverse + y * w;
    const float *dhard = a->dhard + (q->i * h + y) * w, *soft = a->soft + (q->i * h + y) * w;
    float *mask = q->mask + y * w, *s = q->s + y * w, *projection = q->projection + y * w;
    TG_EACH_VECTOR(w, {
      vf m = TG_LOAD(here);
      vf sim = TG_LOAD(s);
      vf across = TG(mask_step)(m, TG_LOAD(west), step_x) + TG(mask_step)(m, TG_LOAD(east), step_x);
      vf down = TG(mask_step)(m, TG_LOAD(north), step_y) + TG(mask_step)(m, TG_LOAD(south), step_y);
      vf dm = vf_fma(TG_LOAD(inner) - along, per_area, constant) + (across + down);
      vf dl = dm * m * (1.f - m);
      if (q->positive) {
        vf gumbel = TG_LOAD(soft);
        dl = dl + TG_LOAD(dhard) * gumbel * (1.f - gumbel) / a->in.tau;
      }
      sum = sum + dl;
      weighted = vf_fma(dl, sim, weighted);
      vf ds = scale * dl;
      TG_STORE(projection, vf_fma(ds, sim, TG_LOAD(projection)));
      TG_STORE(s, ds * TG_LOAD(inverse));
      TG_STORE(mask, m * per_area);
    });
  }
  sums[0] += vf_sum(weighted);
  sums[1] += vf_sum(sum);
}

// pooled_gradient turns f into df in place, given that and dS, and returns <f, df>.
static float TG(pooled_gradient)(float *f, const float *that, float dscore, long channels, float *df) {
  TG(scaled)(df, dscore, that, channels);
  TG(unit_backward)(df, f, channels);
  float along = TG(dot)(f, df, channels);
  memcpy(f, df, 4 * channels);
  return along;
}

static void TG(unground_texts_task)(void *ctx, int task, int thread) {
  const struct TG(unground_job) *job = ctx;
  const struct TG(panels) *p = &job->panels;
  const struct tg_ground_masks_backward *a = job->a;
  long places = p->places, channels = a->in.channels, rows = TG_MASK_ROWS;
  long image = task / job->blocks, block = task % job->blocks, first = block * rows, n = tg_min(rows, job->texts - first);
  long i = p->first + image, j = job->j + first;
  size_t padded_floats = (a->in.h + 2) * (a->in.w + 2);
  size_t floats = rows * (places + 2) + padded_floats + channels + TG(mask_gemm_floats)(places, channels);
  float *inner = tg_scratch(job->pool, thread, 4 * floats), *mass = inner + rows * places, *along = mass + rows;
  float *padded = along + rows, *df = padded + padded_floats, *gemm = df + channels;
  float *m = TG(tile_weights)(job, image) + first * places, *s = m + job->texts * places;
  float *f = TG(tile_factors)(job, image) + first * channels, *that = f + job->texts * channels;
  TG(similarities)(p, image, j, n, that, s, gemm);
  TG(pooled_masks)(p, image, n, s, m, mass, f, gemm);
  for (long r = 0; r < n; r++)
    along[r] = TG(pooled_gradient)(f + r * channels, that + r * channels, a->dscores[i * a->in.texts + j + r], channels, df);
  TG(sgemm)(inner, places, n, places, channels, (struct TG(matrix)){f, channels, 0}, TG(across)(p, image), 0, gemm);
  float *projection = job->along + (image * TG(tile_blocks) + block) * places;
  double *sums = job->sums + (image * TG(tile_blocks) + block) * 2;
  memset(projection, 0, 4 * places);
  memset(sums, 0, 2 * sizeof *sums);
  for (long r = 0; r < n; r++) {
    TG(pad)(padded, m + r * places, a->in.h, a->in.w, 1);
    struct TG(pair) pair = {.i = i, .positive = j + r == a->in.first + i, .area = mass[r] + 1e-6f, .along = along[r],
                            .padded = padded, .inner = inner + r * places, .inverse = p->inverse + image * places,
                            .mask = m + r * places, .s = s + r * places, .projection = projection};
    TG(logit_gradient)(a, &pair, sums);
  }
}

static void TG(unground_pack_task)(void *ctx, int task, int thread) {
  (void)thread;
  const struct TG(unground_job) *job = ctx;
  long channels = job->a->in.channels;
  TG(sgemm_pack)(TG(tile_packed)(job, task), (struct TG(matrix)){TG(tile_factors)(job, task), channels, 0}, 2 * job->texts, channels);
}

// project subtracts sum_j w dl s vhat / |v|, but not at the floor, where the divisor is a constant.
static void TG(project)(const struct TG(unground_job) *job, long image, long place, float *dv) {
  float inverse = job->panels.inverse[image * job->panels.places + place];
  const float *v = job->a->in.v + (dv - job->a->dv);
  if (inverse < 1 / TG_FLOOR) TG(axpy)(dv, -job->total[image * job->panels.places + place] * inverse * inverse, v, job->a->in.channels);
}

static void TG(unground_places_task)(void *ctx, int task, int thread) {
  const struct TG(unground_job) *job = ctx;
  const struct TG(panels) *p = &job->panels;
  long channels = job->a->in.channels, blocks = tg_blocks(p->places, TG_MT);
  long image = task / blocks, at = task % blocks * TG_MT, n = tg_min(TG_MT, p->places - at);
  float *dv = job->a->dv + ((p->first + image) * p->places + at) * channels;
  float *gemm = tg_scratch(job->pool, thread, 4 * TG(sgemm_floats)(TG_MT, channels, 2 * TG(tile_texts)));
  struct TG(matrix) weights = {TG(tile_weights)(job, image) + at, p->places, 1};
  TG(sgemm)(dv, channels, n, channels, 2 * job->texts, weights, TG(tile_packed)(job, image), job->j > 0, gemm);
  float *total = job->total + image * p->places + at;
  if (job->j == 0) memset(total, 0, 4 * n);
  for (long block = 0; block < job->blocks; block++)
    TG(add)(total, total, job->along + (image * TG(tile_blocks) + block) * p->places + at, n);
  for (long r = 0; job->last && r < n; r++) TG(project)(job, image, at + r, dv + r * channels);
}

// unground_space carves the working space of one tile out of the pool's.
static void TG(unground_space)(struct TG(unground_job) *job) {
  struct TG(panels) *p = &job->panels;
  long channels = job->a->in.channels, texts = 2 * TG(tile_texts);
  size_t weights = p->most * texts * p->places, factors = p->most * texts * channels;
  size_t packed = p->most * TG(packed_floats)(texts, channels), along = p->most * TG(tile_blocks) * p->places;
  size_t sums = p->most * TG(tile_blocks) * 2;
  size_t floats = weights + factors + packed + along + p->most * p->places + TG(panel_floats)(p);
  job->sums = tg_shared(job->pool, 8 * sums + 4 * floats);
  job->weights = (float *)(job->sums + sums);
  job->factors = job->weights + weights;
  job->packed = job->factors + factors;
  job->along = job->packed + packed;
  job->total = job->along + along;
  TG(place_panels)(p, job->total + p->most * p->places);
}

// unground_tile runs the three phases of the tile that begins at text j and adds its part of dscale and dbias.
static void TG(unground_tile)(struct TG(unground_job) *job, long j, double totals[2]) {
  const struct tg_masks *in = &job->a->in;
  const struct TG(panels) *p = &job->panels;
  job->j = j;
  job->texts = tg_min(TG(tile_texts), in->texts - j);
  job->blocks = tg_blocks(job->texts, TG_MASK_ROWS);
  job->last = j + job->texts == in->texts;
  double product = (double)p->images * job->texts * p->places * in->channels / 16;
  tg_parallel(job->pool, p->images * job->blocks, 3 * product, TG(unground_texts_task), job);
  tg_parallel(job->pool, p->images, 2.0 * p->images * job->texts * in->channels, TG(unground_pack_task), job);
  tg_parallel(job->pool, p->images * tg_blocks(p->places, TG_MT), 2 * product, TG(unground_places_task), job);
  for (long image = 0; image < p->images; image++)
    for (long block = 0; block < job->blocks; block++)
      for (int k = 0; k < 2; k++) totals[k] += job->sums[(image * TG(tile_blocks) + block) * 2 + k];
}

void TG(ground_masks_backward)(struct tg_pool *pool, const struct tg_ground_masks_backward *a) {
  struct TG(unground_job) job = {.pool = pool, .a = a, .panels = TG(plan_panels)(&a->in, 1)};
  TG(unground_space)(&job);
  double totals[2] = {0};
  for (long first = 0; first < a->in.images; first += job.panels.most) {
    TG(pack_panels)(pool, &job.panels, first);
    for (long j = 0; j < a->in.texts; j += TG(tile_texts)) TG(unground_tile)(&job, j, totals);
  }
  *a->dscale = (float)totals[0];
  *a->dbias = (float)totals[1];
}

#else

TG_DISPATCH(ground_masks_backward, struct tg_ground_masks_backward)

#endif
