#include "innerproduct.h"
#include "blocks.h"
#include "op.h"

#ifdef TG_ISA

enum { TG(product_block) = 65536, TG(product_lanes) = 16 };

struct TG(inner_product_job) {
  const struct tg_inner_product *a;
  double *partial;
};

// Sixteen running sums whatever the vector width: the same bits on every instruction set.
static void TG(inner_product_task)(void *ctx, int task, int thread) {
  (void)thread;
  const struct TG(inner_product_job) *job = ctx;
  long i = (long)task * TG(product_block), end = tg_min(i + TG(product_block), job->a->n);
  const float *x = job->a->x, *y = job->a->y;
  double sum[TG(product_lanes)] = {0};
  for (; i + TG(product_lanes) <= end; i += TG(product_lanes))
    for (int l = 0; l < TG(product_lanes); l++) sum[l] += (double)x[i + l] * y[i + l];
  for (int l = 0; i < end; i++, l++) sum[l] += (double)x[i] * y[i];
  double total = 0;
  for (int l = 0; l < TG(product_lanes); l++) total += sum[l];
  job->partial[task] = total;
}

void TG(inner_product)(struct tg_pool *pool, const struct tg_inner_product *a) {
  long blocks = tg_blocks(a->n, TG(product_block));
  struct TG(inner_product_job) job = {a, tg_shared(pool, 8 * blocks + 8)};
  tg_parallel(pool, blocks, (double)a->n, TG(inner_product_task), &job);
  *a->out = 0;
  for (long b = 0; b < blocks; b++) *a->out += job.partial[b];
}

#else

TG_DISPATCH(inner_product, struct tg_inner_product)

#endif
