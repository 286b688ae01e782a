// Arguments of innerproduct.cu.
#ifndef TG_INNERPRODUCT_H
#define TG_INNERPRODUCT_H

#include "args.h"

// partial [ceil(n/65536)] = <x, y> of each block of 65536 elements.
struct tg_inner_product {
  TG_PTR(double) partial;
  TG_PTR(const float) x;
  TG_PTR(const float) y;
  int64_t n;
};

// sum [1] = the sum of partial [n].
struct tg_total {
  TG_PTR(double) sum;
  TG_PTR(const double) partial;
  int64_t n;
};

#endif
