#ifndef TG_APPLY_H
#define TG_APPLY_H

#include "pool.h"

// tg_apply computes y[i] = f(x[i]) for the n values of x. TG_EXP64 and TG_LOG64 work on doubles. It exists for the accuracy tests of simd.h.
struct tg_apply {
  enum tg_function { TG_EXP, TG_LOG, TG_TANH, TG_ERF, TG_SIGMOID, TG_EXP64, TG_LOG64 } f;
  long n;
  void *y;
  const void *x;
};
void tg_apply(struct tg_pool *pool, const struct tg_apply *a);

#endif
