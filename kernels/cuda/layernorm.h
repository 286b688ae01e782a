// Arguments of layernorm.cu.
#ifndef TG_LAYERNORM_H
#define TG_LAYERNORM_H

#include "args.h"

// y [rows, cols] = normalised rows of x, times gamma, plus beta; stats [rows, 2] may be null.
struct tg_layernorm {
  TG_PTR(float) y;
  TG_PTR(float) stats;
  TG_PTR(const float) x;
  TG_PTR(const float) gamma;
  TG_PTR(const float) beta;
  int64_t rows, cols, ld_y, ld_x;
};

// dx +=; partial [2, chunks, cols] receives sums for dgamma and dbeta, which may be null. beta is read with GELU only.
struct tg_layernorm_backward {
  TG_PTR(float) dx;
  TG_PTR(float) dgamma;
  TG_PTR(float) dbeta;
  TG_PTR(float) partial;
  TG_PTR(const float) dy;
  TG_PTR(const float) x;
  TG_PTR(const float) stats;
  TG_PTR(const float) gamma;
  TG_PTR(const float) beta;
  int64_t rows, cols, ld_dx, ld_dy, ld_x, chunks;
};

#endif
