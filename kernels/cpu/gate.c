#include "gate.h"
#include "blocks.h"
#include "innerproduct.h"
#include "op.h"

#ifdef TG_ISA

#include "vectors.h"

struct TG(scale_job) {
  float *x, factor;
  long n;
};

static void TG(scale_task)(void *ctx, int task, int thread) {
  (void)thread;
  const struct TG(scale_job) *job = ctx;
  float *x = job->x + (long)task * tg_block_elements;
  TG_EACH_VECTOR(tg_min(tg_block_elements, job->n - (long)task * tg_block_elements), TG_STORE(x, TG_LOAD(x) * job->factor););
}

static void TG(scale)(struct tg_pool *pool, float *x, long n, float factor) {
  struct TG(scale_job) job = {x, factor, n};
  tg_parallel(pool, tg_blocks(n, tg_block_elements), (double)n, TG(scale_task), &job);
}

void TG(gate_backward)(struct tg_pool *pool, const struct tg_gate_backward *a) {
  float factor = tg_tanhf(*a->gate);
  double weights, biases;
  TG(inner_product)(pool, &(struct tg_inner_product){a->weights, a->dweight, a->weight, &weights});
  TG(inner_product)(pool, &(struct tg_inner_product){a->biases, a->dbias, a->bias, &biases});
  *a->dgate = (float)((1 - (double)factor * factor) * (weights + biases));
  TG(scale)(pool, a->dweight, a->weights, factor);
  TG(scale)(pool, a->dbias, a->biases, factor);
}

#else

TG_DISPATCH(gate_backward, struct tg_gate_backward)

#endif
