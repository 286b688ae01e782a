// Planes are copied with their edges repeated, so that every neighbour of a line is a line at a fixed distance.
#include "pamr.h"
#include "op.h"

#ifdef TG_ISA

#include "vectors.h"

struct TG(refine_job) {
  struct tg_pool *pool;
  const struct tg_refine_masks *a;
  long border, width, padded, neighbours; // width and size of a padded plane; neighbours = 8 * dilations
  const float *image;                     // [channels, padded]
  float *affinity;                        // [h, neighbours, w]
  long *offset;                           // [neighbours]: distance of a neighbour in a padded plane
};

// affinity_vector computes the affinities of n <= TG_W places: x points at the first in the padded image, to at neighbour 0's
// value. The softmax runs over neighbours of the channel mean of -|x_c - x_n|/(1e-8 + 0.1 sigma), sigma being the unbiased
// deviation over all neighbours and, once a dilation, the centre.
static void TG(affinity_vector)(const struct TG(refine_job) *job, const float *x, float *to, int n) {
  long count = job->neighbours, w = job->a->w;
  float centres = (float)job->a->dilations, taps = centres + (float)count;
  for (long k = 0; k < count; k++) vf_store_n(to + k * w, vf_zero(), n);
  for (long c = 0; c < job->a->channels; c++, x += job->padded) {
    vf centre = vf_load_n(x, n), mean = centre * centres;
    for (long k = 0; k < count; k++) mean = mean + vf_load_n(x + job->offset[k], n);
    mean = mean * (1 / taps);
    vf squares = (centre - mean) * (centre - mean) * centres;
    for (long k = 0; k < count; k++) {
      vf d = vf_load_n(x + job->offset[k], n) - mean;
      squares = vf_fma(d, d, squares);
    }
    vf sigma = vf_sqrt(squares * (1 / (taps - 1)));
    vf scale = -1.f / ((sigma * 0.1f + 1e-8f) * (float)job->a->channels);
    for (long k = 0; k < count; k++) {
      vf distance = vf_abs(centre - vf_load_n(x + job->offset[k], n));
      vf_store_n(to + k * w, vf_fma(distance, scale, vf_load_n(to + k * w, n)), n);
    }
  }
  vf most = vf_load_n(to, n), sum = vf_zero();
  for (long k = 1; k < count; k++) most = vf_max(most, vf_load_n(to + k * w, n));
  for (long k = 0; k < count; k++) {
    vf e = vf_exp(vf_load_n(to + k * w, n) - most);
    vf_store_n(to + k * w, e, n);
    sum = sum + e;
  }
  for (long k = 0; k < count; k++) vf_store_n(to + k * w, vf_load_n(to + k * w, n) / sum, n);
}

static void TG(affinity_task)(void *ctx, int task, int thread) {
  (void)thread;
  const struct TG(refine_job) *job = ctx;
  long w = job->a->w;
  for (long x = 0; x < w; x += TG_W) {
    const float *first = job->image + (task + job->border) * job->width + job->border + x;
    TG(affinity_vector)(job, first, job->affinity + task * job->neighbours * w + x, w - x < TG_W ? (int)(w - x) : TG_W);
  }
}

// refine_line computes one line of the next mask from the padded last one.
static void TG(refine_line)(const struct TG(refine_job) *job, float *mask, const float *padded, long y) {
  const float *affinity = job->affinity + y * job->neighbours * job->a->w;
  padded += (y + job->border) * job->width + job->border;
  mask += y * job->a->w;
  TG_EACH_VECTOR(job->a->w, {
    vf sum = vf_zero();
    for (long k = 0; k < job->neighbours; k++) {
      const float *weights = affinity + k * job->a->w, *values = padded + job->offset[k];
      sum = vf_fma(TG_LOAD(weights), TG_LOAD(values), sum);
    }
    TG_STORE(mask, sum);
  });
}

// A task is a mask.
static void TG(refine_task)(void *ctx, int task, int thread) {
  const struct TG(refine_job) *job = ctx;
  const struct tg_refine_masks *a = job->a;
  float *mask = a->masks + task * a->h * a->w, *padded = tg_scratch(job->pool, thread, 4 * job->padded);
  for (int i = 0; i < a->iterations; i++) {
    TG(pad)(padded, mask, a->h, a->w, job->border);
    for (long y = 0; y < a->h; y++) TG(refine_line)(job, mask, padded, y);
  }
}

// set_offsets lists neighbours dilation by dilation, each from top left to bottom right.
static void TG(set_offsets)(const struct TG(refine_job) *job) {
  long *next = job->offset;
  for (int i = 0; i < job->a->dilations; i++)
    for (int k = 0; k < 9; k++)
      if (k != 4) *next++ = ((k / 3 - 1) * job->width + k % 3 - 1) * job->a->dilation[i];
}

void TG(refine_masks)(struct tg_pool *pool, const struct tg_refine_masks *a) {
  struct TG(refine_job) job = {.pool = pool, .a = a, .neighbours = 8 * a->dilations};
  for (int i = 0; i < a->dilations; i++)
    if (a->dilation[i] > job.border) job.border = a->dilation[i];
  job.width = a->w + 2 * job.border;
  job.padded = (a->h + 2 * job.border) * job.width;
  long affinities = a->h * a->w * job.neighbours;
  job.offset = tg_shared(pool, sizeof(long) * job.neighbours + 4 * (a->channels * job.padded + affinities));
  float *image = (float *)(job.offset + job.neighbours);
  job.image = image;
  job.affinity = image + a->channels * job.padded;
  TG(set_offsets)(&job);
  for (long c = 0; c < a->channels; c++) TG(pad)(image + c * job.padded, a->image + c * a->h * a->w, a->h, a->w, job.border);
  tg_parallel(pool, a->h, 2.0 * affinities, TG(affinity_task), &job);
  tg_parallel(pool, a->count, 0.2 * affinities * a->iterations * a->count, TG(refine_task), &job);
}

#else

TG_DISPATCH(refine_masks, struct tg_refine_masks)

#endif
