// Arguments of cosine.cu.
#ifndef TG_COSINE_H
#define TG_COSINE_H

#include "args.h"

// inverse [rows] = 1/max(|x|, 1e-6) of the rows of x [rows, width].
struct tg_inverse_norms {
  TG_PTR(float) inverse;
  TG_PTR(const float) x;
  int64_t rows, width, ld;
};

// scores [rows, texts] = cosines of x [rows, width] and t [texts, width], whose inverse norms are given.
struct tg_cosine {
  TG_PTR(float) scores;
  TG_PTR(const float) x;
  TG_PTR(const float) t;
  TG_PTR(const float) t_inverse;
  int64_t rows, texts, width, ld_x;
};

// dx [rows, width] from dscores [rows, texts].
struct tg_cosine_backward {
  TG_PTR(float) dx;
  TG_PTR(const float) dscores;
  TG_PTR(const float) x;
  TG_PTR(const float) t;
  TG_PTR(const float) t_inverse;
  int64_t rows, texts, width, ld_x, ld_dx;
};

#endif
