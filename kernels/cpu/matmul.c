#include "matmul.h"
#include "op.h"

#ifdef TG_ISA
#include "gemm.h"

static void TG(matmul_pack_a)(const void *ctx, float *to, long row, int rows, long k0, int kc) {
  const struct tg_matmul *o = ctx;
  TG(pack_rows)(&(struct TG(matrix)){o->a, o->lda, o->trans_a}, to, row, rows, k0, kc);
}

static void TG(matmul_pack_b)(const void *ctx, float *to, long col, int cols, long k0, int kc) {
  const struct tg_matmul *o = ctx;
  TG(pack_columns)(&(struct TG(matrix)){o->b, o->ldb, o->trans_b}, to, col, cols, k0, kc);
}

// quick_gelu is x*sigmoid(1.702x) and quick_gelu_grad its derivative (tcl-spec section 1).
TG_INLINE vf TG(quick_gelu)(vf x) { return x * vf_sigmoid(x * 1.702f); }

TG_INLINE vf TG(quick_gelu_grad)(vf x) {
  vf s = vf_sigmoid(x * 1.702f);
  return s * vf_fma(x * 1.702f, 1.f - s, vf_set1(1));
}

// matmul_finish is the epilogue of n neighbouring values.
TG_INLINE void TG(matmul_finish)(const struct tg_matmul *o, vf v, long row, long col, int n) {
  if (o->bias) v += vf_load_n(o->bias + col, n);
  if (o->pre && !o->act_grad) vf_store_n(o->pre + row * o->ld_pre + col, v, n);
  if (o->act) v = TG(quick_gelu)(v);
  if (o->act_grad) v *= TG(quick_gelu_grad)(vf_load_n(o->pre + row * o->ld_pre + col, n));
  if (o->residual) v += vf_load_n(o->residual + row * o->ld_residual + col, n);
  float *c = o->c + row * o->ldc + col;
  if (o->add) v = vf_load_n(c, n) + v;
  vf_store_n(c, v, n);
}

static void TG(matmul_emit)(const void *ctx, const float *tile, long row, int rows, long col, int cols) {
  const struct tg_matmul *o = ctx;
  for (int i = 0; i < rows; i++)
    for (int j = 0; j < cols; j += TG_W)
      TG(matmul_finish)(o, vf_load(tile + i * TG_NR + j), row + i, col + j, cols - j < TG_W ? cols - j : TG_W);
}

void TG(matmul)(struct tg_pool *pool, const struct tg_matmul *o) {
  struct TG(gemm) g = {o->m, o->n, o->k, o->trans_a, o->trans_b, o, TG(matmul_pack_a), TG(matmul_pack_b), TG(matmul_emit)};
  TG(gemm_run)(pool, &g);
}

#else

TG_DISPATCH(matmul, struct tg_matmul)

#endif
