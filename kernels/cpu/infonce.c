// Softmaxes in doubles: exp(-104) would be 0 in float32. a*S - a lies in [-200, 0], so no running maximum is needed.
#include "infonce.h"
#include "blocks.h"
#include "op.h"

#ifdef TG_ISA

enum { TG(column_block) = 256 };

static double TG(logit_scale)(const float *logit_scale, int *clamped) {
  double a = tg_exp64(*logit_scale);
  *clamped = a > 100;
  return *clamped ? 100 : a;
}

static void TG(exp_columns_task)(void *ctx, int task, int thread) {
  (void)thread;
  const struct tg_exp_columns *a = ctx;
  int clamped;
  double scale = TG(logit_scale)(a->logit_scale, &clamped);
  long first = task * TG(column_block), end = tg_min(first + TG(column_block), a->texts);
  for (long j = first; j < end; j++) a->columns[j] = 0;
  for (long i = 0; i < a->rows; i++)
    for (long j = first; j < end; j++) a->columns[j] += tg_exp64(scale * a->scores[i * a->texts + j] - scale);
}

void TG(exp_columns)(struct tg_pool *pool, const struct tg_exp_columns *a) {
  tg_parallel(pool, tg_blocks(a->texts, TG(column_block)), 30.0 * a->rows * a->texts, TG(exp_columns_task), (void *)a);
}

struct TG(infonce_job) {
  struct tg_pool *pool;
  const struct tg_infonce *a;
  double scale, *losses, *slopes; // [rows]
};

// dL/dS_ij = a (R + Q - 2I)/2N with row softmax R and column softmax Q.
static void TG(infonce_task)(void *ctx, int task, int thread) {
  const struct TG(infonce_job) *job = ctx;
  const struct tg_infonce *a = job->a;
  const float *s = a->scores + task * a->texts;
  double *e = tg_scratch(job->pool, thread, 8 * a->texts), scale = job->scale, share = 1 / (2 * (double)a->texts), row = 0, slope = 0;
  for (long j = 0; j < a->texts; j++) {
    e[j] = tg_exp64(scale * s[j] - scale);
    row += e[j];
  }
  long own = a->first + task;
  for (long j = 0; j < a->texts; j++) {
    double g = e[j] / row + e[j] / a->columns[j] - (j == own ? 2 : 0);
    slope += share * g * scale * s[j];
    a->dscores[task * a->texts + j] = (float)(a->weight * share * scale * g);
  }
  job->losses[task] = share * (2 * (scale - scale * s[own]) + tg_log64(row) + tg_log64(a->columns[own]));
  job->slopes[task] = slope;
}

void TG(infonce)(struct tg_pool *pool, const struct tg_infonce *a) {
  int clamped;
  double scale = TG(logit_scale)(a->logit_scale, &clamped), *shared = tg_shared(pool, 16 * a->rows), slope = 0;
  struct TG(infonce_job) job = {pool, a, scale, shared, shared + a->rows};
  tg_parallel(pool, a->rows, 50.0 * a->rows * a->texts, TG(infonce_task), &job);
  *a->loss = 0;
  for (long i = 0; i < a->rows; i++) {
    *a->loss += job.losses[i];
    slope += job.slopes[i];
  }
  *a->dlogit_scale = clamped ? 0 : (float)(a->weight * slope);
}

#else

TG_DISPATCH(exp_columns, struct tg_exp_columns)
TG_DISPATCH(infonce, struct tg_infonce)

#endif
