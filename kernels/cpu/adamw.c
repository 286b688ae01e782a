// The limit is memory: 16 bytes read and 12 written an element, so 28.7 M parameters move 0.8 GB.
#include "adamw.h"
#include "blocks.h"
#include "op.h"

#ifdef TG_ISA

#include "vectors.h"

static void TG(adamw_task)(void *ctx, int task, int thread) {
  (void)thread;
  const struct tg_adamw *a = ctx;
  long first = (long)task * tg_block_elements;
  float *p = a->p + first, *m1 = a->m1 + first, *m2 = a->m2 + first;
  const float *g = a->g + first;
  vf clip = vf_set1((float)a->clip), keep1 = vf_set1((float)a->beta1), keep2 = vf_set1((float)a->beta2);
  vf take1 = vf_set1((float)(1 - a->beta1)), take2 = vf_set1((float)(1 - a->beta2)), epsilon = vf_set1((float)a->epsilon);
  vf rate = vf_set1((float)(a->rate / a->correction1)), root = vf_set1((float)(1 / sqrt(a->correction2)));
  vf decay = vf_set1((float)(a->rate * a->decay));
  TG_EACH_VECTOR(tg_min(tg_block_elements, a->n - first), {
    vf grad = TG_LOAD(g) * clip;
    vf first_moment = vf_fma(grad, take1, TG_LOAD(m1) * keep1);
    vf second_moment = vf_fma(grad * take2, grad, TG_LOAD(m2) * keep2);
    vf step = first_moment * rate / vf_fma(vf_sqrt(second_moment), root, epsilon);
    vf value = TG_LOAD(p);
    TG_STORE(m1, first_moment);
    TG_STORE(m2, second_moment);
    TG_STORE(p, value - vf_fma(value, decay, step)); // one subtraction: a small decay is not lost in 1 - decay
  });
}

void TG(adamw)(struct tg_pool *pool, const struct tg_adamw *a) {
  tg_parallel(pool, tg_blocks(a->n, tg_block_elements), 4.0 * a->n, TG(adamw_task), (void *)a);
}

#else

TG_DISPATCH(adamw, struct tg_adamw)

#endif
