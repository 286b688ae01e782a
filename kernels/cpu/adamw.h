#ifndef TG_ADAMW_H
#define TG_ADAMW_H

#include "pool.h"

// tg_adamw updates p, m1 and m2 in place from g times clip.
struct tg_adamw {
  long n;
  float *p, *m1, *m2;
  const float *g;
  double rate, beta1, beta2, epsilon, decay, correction1, correction2, clip;
};
void tg_adamw(struct tg_pool *pool, const struct tg_adamw *a);

#endif
