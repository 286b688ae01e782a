#include "upsample.h"
#include "op.h"

#ifdef TG_ISA

#include "vectors.h"

static void TG(upsample_backward_task)(void *ctx, int task, int thread) {
  (void)thread;
  const struct tg_upsample_backward *a = ctx;
  for (long x = 0; x < a->width; x++) {
    float *dx = a->dx + (task * a->width + x) * a->channels;
    const float *left_top = a->dy + (2l * task * 2 * a->width + 2 * x) * a->channels, *right_top = left_top + a->channels;
    const float *left_low = left_top + 2 * a->width * a->channels, *right_low = left_low + a->channels;
    TG_EACH_VECTOR(a->channels, {
      vf block = (TG_LOAD(left_top) + TG_LOAD(right_top)) + (TG_LOAD(left_low) + TG_LOAD(right_low));
      TG_STORE(dx, TG_LOAD(dx) + block);
    });
  }
}

void TG(upsample_backward)(struct tg_pool *pool, const struct tg_upsample_backward *a) {
  tg_parallel(pool, a->lines, 2.0 * a->lines * a->width * a->channels, TG(upsample_backward_task), (void *)a);
}

#else

TG_DISPATCH(upsample_backward, struct tg_upsample_backward)

#endif
