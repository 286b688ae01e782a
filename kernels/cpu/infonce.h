#ifndef TG_INFONCE_H
#define TG_INFONCE_H

#include "pool.h"

// tg_exp_columns computes columns[j] = sum_i exp(a S_ij - a) over the rows of scores [rows, texts], a = min(exp(logit_scale), 100).
struct tg_exp_columns {
  long rows, texts;
  double *columns;
  const float *scores, *logit_scale;
};
void tg_exp_columns(struct tg_pool *pool, const struct tg_exp_columns *a);

// tg_infonce computes a lane's share of the symmetric loss and its gradients; row i belongs to column first + i.
struct tg_infonce {
  long rows, texts, first;
  double *loss;
  float *dscores, *dlogit_scale, weight;
  const float *scores, *logit_scale;
  const double *columns;
};
void tg_infonce(struct tg_pool *pool, const struct tg_infonce *a);

#endif
