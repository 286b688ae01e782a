#include "matmul.h"
#include "op.h"

#ifdef TG_ISA
#include "activation.h"
#include "gemm.h"

static void TG(matmul_pack_a)(const void *ctx, float *to, long row, int rows, long k0, int kc) {
  const struct tg_matmul *o = ctx;
  TG(pack_rows)(&(struct TG(matrix)){o->a, o->lda, o->trans_a}, to, row, rows, k0, kc);
}

static void TG(matmul_pack_b)(const void *ctx, float *to, long col, int cols, long k0, int kc) {
  const struct tg_matmul *o = ctx;
  TG(pack_columns)(&(struct TG(matrix)){o->b, o->ldb, o->trans_b}, to, col, cols, k0, kc);
}

// matmul_finish is the epilogue of n neighbouring values. act and act_grad are o's, known when this is compiled.
TG_INLINE void TG(matmul_finish)(const struct tg_matmul *o, enum tg_activation act, enum tg_activation act_grad, vf v, long row, long col, int n) {
  if (o->bias) v += vf_load_n(o->bias + col, n);
  if (o->pre && !act_grad) vf_store_n(o->pre + row * o->ld_pre + col, v, n);
  if (act == TG_QUICK_GELU) v = TG(quick_gelu)(v);
  if (act == TG_GELU) v = TG(gelu)(v);
  if (act_grad == TG_QUICK_GELU) v *= TG(quick_gelu_slope)(vf_load_n(o->pre + row * o->ld_pre + col, n));
  if (act_grad == TG_GELU) v *= TG(gelu_slope)(vf_load_n(o->pre + row * o->ld_pre + col, n));
  if (o->residual) v += vf_load_n(o->residual + row * o->ld_residual + col, n);
  float *c = o->c + row * o->ldc + col;
  if (o->add) v = vf_load_n(c, n) + v;
  vf_store_n(c, v, n);
}

static void TG(matmul_emit)(const void *ctx, const float *tile, long row, int rows, long col, int cols) {
  const struct tg_matmul *o = ctx;
#define EMIT(act, act_grad)                                                                              \
  for (int i = 0; i < rows; i++)                                                                         \
    for (int j = 0; j < cols; j += TG_W)                                                                 \
      TG(matmul_finish)(o, act, act_grad, vf_load(tile + i * TG_NR + j), row + i, col + j, cols - j < TG_W ? cols - j : TG_W)
  if (o->act == TG_QUICK_GELU)
    EMIT(TG_QUICK_GELU, TG_NO_ACTIVATION);
  else if (o->act == TG_GELU)
    EMIT(TG_GELU, TG_NO_ACTIVATION);
  else if (o->act_grad == TG_QUICK_GELU)
    EMIT(TG_NO_ACTIVATION, TG_QUICK_GELU);
  else if (o->act_grad == TG_GELU)
    EMIT(TG_NO_ACTIVATION, TG_GELU);
  else
    EMIT(TG_NO_ACTIVATION, TG_NO_ACTIVATION);
#undef EMIT
}

void TG(matmul)(struct tg_pool *pool, const struct tg_matmul *o) {
  struct TG(gemm) g = {o->m, o->n, o->k, o->trans_a, o->trans_b, o, TG(matmul_pack_a), TG(matmul_pack_b), TG(matmul_emit)};
  TG(gemm_run)(pool, &g);
}

#else

TG_DISPATCH(matmul, struct tg_matmul)

#endif
