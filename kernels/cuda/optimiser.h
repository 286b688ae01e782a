// Arguments of optimiser.cu.
#ifndef TG_OPTIMISER_H
#define TG_OPTIMISER_H

#include "args.h"

// kernels.AdamW of p, m1, m2 and g [n]; squared is the squared norm of the whole gradient.
struct tg_adamw {
  TG_PTR(float) p;
  TG_PTR(float) m1;
  TG_PTR(float) m2;
  TG_PTR(const float) g;
  TG_PTR(const double) squared;
  double rate, beta1, beta2, epsilon, decay, correction1, correction2, max_norm;
  int64_t n;
};

// digests [ceil(n/16384)] of the bits of x [n].
struct tg_block_digests {
  TG_PTR(uint64_t) digests;
  TG_PTR(const uint32_t) x;
  int64_t n;
};

#endif
