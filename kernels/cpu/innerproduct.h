#ifndef TG_INNERPRODUCT_H
#define TG_INNERPRODUCT_H

#include "pool.h"

// tg_inner_product computes out = <x, y> of n floats in doubles: blocks of 65536 by themselves, then over the blocks in order.
struct tg_inner_product {
  long n;
  const float *x, *y;
  double *out;
};
void tg_inner_product(struct tg_pool *pool, const struct tg_inner_product *a);

#endif
