#include "cosine.h"
#include "blocks.h"
#include "op.h"

#ifdef TG_ISA

#include "vectors.h"

enum { TG(cosine_block) = 16 }; // texts a task: few images meet them, so a text is read from memory once

static void TG(cosine_task)(void *ctx, int task, int thread) {
  (void)thread;
  const struct tg_cosine *a = ctx;
  long first = task * TG(cosine_block), end = tg_min(first + TG(cosine_block), a->texts);
  for (long j = first; j < end; j++) {
    const float *t = a->t + j * a->width;
    float inverse = TG(inverse_norm)(t, a->width);
    for (long i = 0; i < a->rows; i++) {
      const float *x = a->x + i * a->x_stride;
      a->scores[i * a->texts + j] = TG(dot)(x, t, a->width) * inverse * TG(inverse_norm)(x, a->width);
    }
  }
}

void TG(cosine)(struct tg_pool *pool, const struct tg_cosine *a) {
  tg_parallel(pool, tg_blocks(a->texts, TG(cosine_block)), 0.3 * a->rows * a->texts * a->width, TG(cosine_task), (void *)a);
}

static void TG(cosine_backward_task)(void *ctx, int task, int thread) {
  (void)thread;
  const struct tg_cosine_backward *a = ctx;
  float *dx = a->dx + task * a->dx_stride;
  memset(dx, 0, 4 * a->width);
  for (long j = 0; j < a->texts; j++) {
    const float *t = a->t + j * a->width;
    TG(axpy)(dx, a->dscores[task * a->texts + j] * TG(inverse_norm)(t, a->width), t, a->width);
  }
  TG(unit_backward)(dx, a->x + task * a->x_stride, a->width);
}

void TG(cosine_backward)(struct tg_pool *pool, const struct tg_cosine_backward *a) {
  tg_parallel(pool, a->rows, 0.3 * a->rows * a->texts * a->width, TG(cosine_backward_task), (void *)a);
}

#else

TG_DISPATCH(cosine, struct tg_cosine)
TG_DISPATCH(cosine_backward, struct tg_cosine_backward)

#endif
