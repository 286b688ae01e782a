#include "resize.h"
#include "op.h"

#ifdef TG_ISA

#include "vectors.h"

// taps are the four (or fewer, then with weight 0) sources of an output line or column.
struct TG(taps) {
  int32_t from[4];
  float weight[4];
};

static long TG(clamp)(long i, long n) { return i < 0 ? 0 : i >= n ? n - 1 : i; }

static void TG(set_taps)(struct TG(taps) *t, long first, const double weight[4], long n) {
  for (int k = 0; k < 4; k++) {
    t->from[k] = (int32_t)TG(clamp)(first + k, n);
    t->weight[k] = (float)weight[k];
  }
}

static void TG(linear_taps)(struct TG(taps) *t, double at, long n) {
  long low = TG(clamp)((long)at, n);
  double part = at - (double)low;
  TG(set_taps)(t, low, (const double[4]){1 - part, part}, n);
}

// Keys' kernel with a = -0.75.
static void TG(cubic_taps)(struct TG(taps) *t, double at, long n) {
  const double a = -0.75;
  double low = floor(at), p = at - low, q = 1 - p;
#define TG_NEAR(x) (((a + 2) * (x) - (a + 3)) * (x) * (x) + 1)
#define TG_FAR(x) (((a * (x)-5 * a) * (x) + 8 * a) * (x)-4 * a)
  TG(set_taps)(t, (long)low - 1, (const double[4]){TG_FAR(p + 1), TG_NEAR(p), TG_NEAR(q), TG_FAR(q + 1)}, n);
#undef TG_NEAR
#undef TG_FAR
}

// axis_taps fills t [n] for n outputs of m inputs, as PyTorch's interpolate places them.
static void TG(axis_taps)(struct TG(taps) *t, long n, long m, enum tg_resampling how) {
  for (long i = 0; i < n; i++) {
    double centre = ((double)i + 0.5) * (double)m / (double)n - 0.5;
    switch (how) {
    case TG_NEAREST:
      TG(set_taps)(t + i, i * m / n, (const double[4]){1}, m);
      break;
    case TG_BILINEAR:
      TG(linear_taps)(t + i, centre < 0 ? 0 : centre, m);
      break;
    case TG_BILINEAR_ALIGNED:
      TG(linear_taps)(t + i, (double)i * (double)(m - 1) / (double)(n > 1 ? n - 1 : 1), m);
      break;
    case TG_BICUBIC:
      TG(cubic_taps)(t + i, centre, m);
    }
  }
}

struct TG(resize_job) {
  struct tg_pool *pool;
  const struct tg_resize *a;
  struct TG(taps) *ys, *xs;
};

// A task is an output line: its source lines are blended first, then columns are picked.
static void TG(resize_task)(void *ctx, int task, int thread) {
  const struct TG(resize_job) *job = ctx;
  const struct tg_resize *a = job->a;
  const struct TG(taps) *y = job->ys + task % a->height;
  const float *plane = a->src + task / a->height * a->h * a->w;
  float *line = tg_scratch(job->pool, thread, 4 * a->w), *out = a->dst + task * a->width;
  TG(scaled)(line, y->weight[0], plane + y->from[0] * a->w, a->w);
  for (int k = 1; k < 4; k++)
    if (y->weight[k] != 0) TG(axpy)(line, y->weight[k], plane + y->from[k] * a->w, a->w);
  for (long i = 0; i < a->width; i++) {
    const struct TG(taps) *x = job->xs + i;
    out[i] = 0;
    for (int k = 0; k < 4; k++)
      if (x->weight[k] != 0) out[i] += x->weight[k] * line[x->from[k]];
  }
}

void TG(resize)(struct tg_pool *pool, const struct tg_resize *a) {
  struct TG(taps) *taps = tg_shared(pool, (a->height + a->width) * sizeof *taps);
  struct TG(resize_job) job = {pool, a, taps, taps + a->height};
  TG(axis_taps)(job.ys, a->height, a->h, a->how);
  TG(axis_taps)(job.xs, a->width, a->w, a->how);
  tg_parallel(pool, a->planes * a->height, 4.0 * a->planes * a->height * (a->width + a->w), TG(resize_task), &job);
}

#else

TG_DISPATCH(resize, struct tg_resize)

#endif
