#include "apply.h"
#include "op.h"

#ifdef TG_ISA

static vf TG(apply_vector)(enum tg_function f, vf x) {
  switch (f) {
  case TG_EXP:
    return vf_exp(x);
  case TG_LOG:
    return vf_log(x);
  case TG_TANH:
    return vf_tanh(x);
  case TG_ERF:
    return vf_erf(x);
  default:
    return vf_sigmoid(x);
  }
}

void TG(apply)(struct tg_pool *pool, const struct tg_apply *a) {
  (void)pool;
  if (a->f == TG_EXP64 || a->f == TG_LOG64) {
    const double *x = a->x;
    for (long i = 0; i < a->n; i++) ((double *)a->y)[i] = a->f == TG_EXP64 ? tg_exp64(x[i]) : tg_log64(x[i]);
    return;
  }
  for (long i = 0; i < a->n; i += TG_W) {
    int n = a->n - i < TG_W ? (int)(a->n - i) : TG_W;
    vf_store_n((float *)a->y + i, TG(apply_vector)(a->f, vf_load_n((const float *)a->x + i, n)), n);
  }
}

#else

TG_DISPATCH(apply, struct tg_apply)

#endif
