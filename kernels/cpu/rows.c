#include "rows.h"
#include "blocks.h"
#include "op.h"

#ifdef TG_ISA

#include "vectors.h"

static void TG(add_rows_task)(void *ctx, int task, int thread) {
  (void)thread;
  const struct tg_add_rows *a = ctx;
  long per = tg_rows_per_block(a->cols), first = task * per, end = tg_min(first + per, a->rows);
  for (long r = first; r < end; r++) {
    float *dst = a->dst + (a->to ? a->to[r] : r) * a->dst_stride;
    TG(add)(dst, dst, a->src + r * a->src_stride, a->cols);
  }
}

void TG(add_rows)(struct tg_pool *pool, const struct tg_add_rows *a) {
  long tasks = tg_blocks(a->rows, tg_rows_per_block(a->cols));
  tg_parallel(pool, tasks, (double)a->rows * a->cols, TG(add_rows_task), (void *)a);
}

static void TG(gather_rows_task)(void *ctx, int task, int thread) {
  (void)thread;
  const struct tg_gather_rows *a = ctx;
  long per = tg_rows_per_block(a->cols), first = task * per, end = tg_min(first + per, a->rows);
  for (long r = first; r < end; r++) memcpy(a->dst + r * a->dst_stride, a->src + a->from[r] * a->src_stride, 4 * a->cols);
}

void TG(gather_rows)(struct tg_pool *pool, const struct tg_gather_rows *a) {
  long tasks = tg_blocks(a->rows, tg_rows_per_block(a->cols));
  tg_parallel(pool, tasks, (double)a->rows * a->cols, TG(gather_rows_task), (void *)a);
}

struct TG(column_sums_job) {
  const struct tg_column_sums *a;
  float *partial; // [blocks, cols]
};

// A block of rows adds up in float32, blocks in float64: no sum of floats is longer than a block.
static void TG(column_sums_task)(void *ctx, int task, int thread) {
  (void)thread;
  const struct TG(column_sums_job) *job = ctx;
  const struct tg_column_sums *a = job->a;
  long per = tg_rows_per_block(a->cols), first = task * per, end = tg_min(first + per, a->rows);
  float *sum = job->partial + task * a->cols;
  memset(sum, 0, 4 * a->cols);
  for (long r = first; r < end; r++) TG(add)(sum, sum, a->x + r * a->stride, a->cols);
}

void TG(column_sums)(struct tg_pool *pool, const struct tg_column_sums *a) {
  long blocks = tg_blocks(a->rows, tg_rows_per_block(a->cols));
  struct TG(column_sums_job) job = {a, tg_shared(pool, 4 * blocks * a->cols)};
  tg_parallel(pool, blocks, (double)a->rows * a->cols, TG(column_sums_task), &job);
  for (long c = 0; c < a->cols; c++) {
    double sum = 0;
    for (long b = 0; b < blocks; b++) sum += job.partial[b * a->cols + c];
    a->out[c] += (float)sum;
  }
}

#else

TG_DISPATCH(add_rows, struct tg_add_rows)
TG_DISPATCH(gather_rows, struct tg_gather_rows)
TG_DISPATCH(column_sums, struct tg_column_sums)

#endif
