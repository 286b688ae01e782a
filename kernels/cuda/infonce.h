// Arguments of infonce.cu.
#ifndef TG_INFONCE_H
#define TG_INFONCE_H

#include "args.h"

// columns [texts] = sum over rows of exp(a*S - a), a = min(exp(logit_scale), 100).
struct tg_exp_columns {
  TG_PTR(double) columns;
  TG_PTR(const float) scores;
  TG_PTR(const float) logit_scale;
  int64_t rows, texts;
};

// infonce: dscores [rows, texts] and partial [rows, 2], each row's loss and slope; infonce_total: loss and
// dlogit_scale.
struct tg_infonce {
  TG_PTR(double) loss;
  TG_PTR(double) partial;
  TG_PTR(float) dscores;
  TG_PTR(float) dlogit_scale;
  TG_PTR(const float) scores;
  TG_PTR(const float) logit_scale;
  TG_PTR(const double) columns;
  int64_t rows, texts, first;
  float weight;
};

#endif
