// Multi-head attention, a task a head of a batch entry, in blocks of queries: scores and probabilities of a block (112 x 197
// floats, 88 KB) live in the second cache and are made again in the backward from the logs of their sums.
// Limit: 4 L^2 d FLOP a head, 9.9 M at L = 197, d = 64, at 32 a cycle 310 k cycles, plus L^2 exponentials at 1.3 cycles each,
// 50 k; the backward is five products instead of two.
#include "attention.h"
#include "op.h"

#ifdef TG_ISA
#include "gemm.h"

enum { TG_QUERIES = TG_MT }; // queries in a block

// head is one head of one batch entry.
struct TG(head) {
  const struct tg_attention *a;
  struct TG(matrix) q, k, v, out, dout;
  float *lse;
  float scale;
  long ld; // floats between rows of scores: whole vectors
};

// rows_of returns entry's rows of m, the columns of head.
TG_INLINE float *TG(rows_of)(const struct tg_attention *a, struct tg_rows m, long task, long rows) {
  return m.at + task / a->heads * rows * m.stride + task % a->heads * a->width;
}

TG_INLINE struct TG(head) TG(head_of)(const struct tg_attention *a, long task) {
  struct TG(head) h = {.a = a};
  h.q = (struct TG(matrix)){TG(rows_of)(a, a->q, task, a->queries), a->q.stride, 0};
  h.k = (struct TG(matrix)){TG(rows_of)(a, a->k, task, a->keys), a->k.stride, 0};
  h.v = (struct TG(matrix)){TG(rows_of)(a, a->v, task, a->keys), a->v.stride, 0};
  h.out = (struct TG(matrix)){TG(rows_of)(a, a->out, task, a->queries), a->out.stride, 0};
  if (a->dout.at) h.dout = (struct TG(matrix)){TG(rows_of)(a, a->dout, task, a->queries), a->dout.stride, 0};
  h.lse = a->lse ? a->lse + task * a->queries : NULL;
  h.scale = 1 / sqrtf((float)a->width);
  h.ld = tg_ceil_div(a->keys, TG_W) * TG_W;
  return h;
}

TG_INLINE struct TG(matrix) TG(turn)(struct TG(matrix) m) {
  m.turned = !m.turned;
  return m;
}

// from_row returns the rows of m from one on.
TG_INLINE struct TG(matrix) TG(from_row)(struct TG(matrix) m, long row) {
  m.at += row * m.ld;
  return m;
}

// carve takes n floats, rounded up to whole cache lines, off a scratch space.
TG_INLINE float *TG(carve)(float **space, size_t n) {
  float *at = *space;
  *space += (n + 15) / 16 * 16;
  return at;
}

// unseen sets the scores of keys that query does not see, and those between the last key and the row's end, to -infinity.
TG_INLINE void TG(unseen)(const struct TG(head) *h, float *scores, long query) {
  long seen = h->a->causal ? query + 1 : h->a->keys;
  for (long j = seen / TG_W * TG_W; j < h->ld; j += TG_W)
    vf_store(scores + j, vf_select(vi_lanes() < vi_set1((int)(seen - j)), vf_load(scores + j), vf_set1(-INFINITY)));
}

// exponentials replaces a row of scores by exp(scale*score - shift) and returns their sum.
TG_INLINE float TG(exponentials)(float *scores, long n, float scale, float shift) {
  vf sum = vf_zero();
  for (long j = 0; j < n; j += TG_W) {
    vf p = vf_exp(vf_fma(vf_load(scores + j), vf_set1(scale), vf_set1(-shift)));
    vf_store(scores + j, p);
    sum += p;
  }
  return vf_sum(sum);
}

TG_INLINE float TG(largest)(const float *x, long n) {
  vf most = vf_load(x);
  for (long j = TG_W; j < n; j += TG_W) most = vf_max(most, vf_load(x + j));
  return vf_hmax(most);
}

TG_INLINE void TG(multiply)(float *x, long n, float factor) {
  long j = 0;
  for (; j + TG_W <= n; j += TG_W) vf_store(x + j, vf_load(x + j) * factor);
  if (j < n) vf_store_n(x + j, vf_load_n(x + j, (int)(n - j)) * factor, (int)(n - j));
}

// forward_floats is the scratch of one head's forward.
TG_INLINE size_t TG(forward_floats)(const struct tg_attention *a) {
  return TG(packed_floats)(a->width, a->keys) + TG(packed_floats)(a->keys, a->width) + TG_QUERIES * (a->keys + TG_W) +
         TG(sgemm_floats)(TG_QUERIES, a->keys, a->width) + TG(sgemm_floats)(TG_QUERIES, a->width, a->keys) + 64;
}

struct TG(attention_run) {
  const struct tg_attention *a;
  struct tg_pool *pool;
};

static void TG(attention_task)(void *ctx, int task, int thread) {
  const struct TG(attention_run) *r = ctx;
  const struct tg_attention *a = r->a;
  struct TG(head) h = TG(head_of)(a, task);
  float *space = tg_scratch(r->pool, thread, TG(forward_floats)(a) * sizeof(float));
  float *keys = TG(carve)(&space, TG(packed_floats)(a->width, a->keys));   // k turned [width, keys]
  float *values = TG(carve)(&space, TG(packed_floats)(a->keys, a->width)); // v [keys, width]
  float *scores = TG(carve)(&space, TG_QUERIES * h.ld);
  TG(sgemm_pack)(keys, TG(turn)(h.k), a->width, a->keys);
  TG(sgemm_pack)(values, h.v, a->keys, a->width);
  for (long q0 = 0; q0 < a->queries; q0 += TG_QUERIES) {
    long n = tg_least(TG_QUERIES, a->queries - q0);
    float *out = (float *)h.out.at + q0 * h.out.ld, inverse[TG_QUERIES];
    TG(sgemm)(scores, h.ld, n, a->keys, a->width, TG(from_row)(h.q, q0), keys, 0, space);
    for (long i = 0; i < n; i++) {
      float *row = scores + i * h.ld;
      TG(unseen)(&h, row, q0 + i);
      float shift = h.scale * TG(largest)(row, h.ld), sum = TG(exponentials)(row, h.ld, h.scale, shift);
      inverse[i] = 1 / sum;
      if (h.lse) h.lse[q0 + i] = shift + tg_logf(sum);
    }
    TG(sgemm)(out, h.out.ld, n, a->width, a->keys, (struct TG(matrix)){scores, h.ld, 0}, values, 0, space);
    for (long i = 0; i < n; i++) TG(multiply)(out + i * h.out.ld, a->width, inverse[i]);
  }
}

void TG(attention)(struct tg_pool *pool, const struct tg_attention *a) {
  struct TG(attention_run) r = {a, pool};
  tg_parallel(pool, (int)(a->batch * a->heads), (double)a->batch * a->heads * a->queries * a->keys * (a->width + 16) / 8,
              TG(attention_task), &r);
}

TG_INLINE float TG(inner)(const float *x, const float *y, long n) {
  vf sum = vf_zero();
  long j = 0;
  for (; j + TG_W <= n; j += TG_W) sum = vf_fma(vf_load(x + j), vf_load(y + j), sum);
  if (j < n) sum = vf_fma(vf_load_n(x + j, (int)(n - j)), vf_load_n(y + j, (int)(n - j)), sum);
  return vf_sum(sum);
}

// score_gradients turns a row of dp = <dout, v> into ds = scale * p * (dp - delta).
TG_INLINE void TG(score_gradients)(float *dp, const float *p, long n, float delta, float scale) {
  for (long j = 0; j < n; j += TG_W) vf_store(dp + j, vf_load(p + j) * (vf_load(dp + j) - delta) * scale);
}

TG_INLINE size_t TG(backward_floats)(const struct tg_attention *a) {
  size_t products = TG(sgemm_floats)(TG_QUERIES, a->keys, a->width) + TG(sgemm_floats)(TG_QUERIES, a->width, a->keys) +
                    TG(sgemm_floats)(a->keys, a->width, TG_QUERIES);
  return 2 * TG(packed_floats)(a->width, a->keys) + TG(packed_floats)(a->keys, a->width) +
         TG(packed_floats)(TG_QUERIES, a->width) + 2 * TG_QUERIES * (a->keys + TG_W) + products + 128;
}

// With p the probabilities and delta_i = <dout_i, out_i>: dv = p' dout, ds = scale p (dout v' - delta), dq = ds k, dk = ds' q.
static void TG(attention_backward_task)(void *ctx, int task, int thread) {
  const struct TG(attention_run) *r = ctx;
  const struct tg_attention *a = r->a;
  struct TG(head) h = TG(head_of)(a, task);
  float *dq = TG(rows_of)(a, a->dq, task, a->queries);
  float *dk = TG(rows_of)(a, a->dk, task, a->keys), *dv = TG(rows_of)(a, a->dv, task, a->keys);
  float *space = tg_scratch(r->pool, thread, TG(backward_floats)(a) * sizeof(float));
  float *keys_turned = TG(carve)(&space, TG(packed_floats)(a->width, a->keys));
  float *values_turned = TG(carve)(&space, TG(packed_floats)(a->width, a->keys));
  float *keys = TG(carve)(&space, TG(packed_floats)(a->keys, a->width));
  float *rows = TG(carve)(&space, TG(packed_floats)(TG_QUERIES, a->width)); // dout, then q, of a block
  float *p = TG(carve)(&space, TG_QUERIES * h.ld), *ds = TG(carve)(&space, TG_QUERIES * h.ld);
  TG(sgemm_pack)(keys_turned, TG(turn)(h.k), a->width, a->keys);
  TG(sgemm_pack)(values_turned, TG(turn)(h.v), a->width, a->keys);
  TG(sgemm_pack)(keys, h.k, a->keys, a->width);
  for (long q0 = 0; q0 < a->queries; q0 += TG_QUERIES) {
    long n = tg_least(TG_QUERIES, a->queries - q0);
    struct TG(matrix) q = TG(from_row)(h.q, q0), dout = TG(from_row)(h.dout, q0), out = TG(from_row)(h.out, q0);
    TG(sgemm)(p, h.ld, n, a->keys, a->width, q, keys_turned, 0, space);
    TG(sgemm)(ds, h.ld, n, a->keys, a->width, dout, values_turned, 0, space);
    for (long i = 0; i < n; i++) {
      TG(unseen)(&h, p + i * h.ld, q0 + i);
      for (long j = a->keys; j < h.ld; j++) ds[i * h.ld + j] = 0;
      TG(exponentials)(p + i * h.ld, h.ld, h.scale, h.lse[q0 + i]);
      float delta = TG(inner)(dout.at + i * dout.ld, out.at + i * out.ld, a->width);
      TG(score_gradients)(ds + i * h.ld, p + i * h.ld, h.ld, delta, h.scale);
    }
    struct TG(matrix) p_turned = {p, h.ld, 1}, ds_turned = {ds, h.ld, 1};
    TG(sgemm)(dq + q0 * a->dq.stride, a->dq.stride, n, a->width, a->keys, TG(turn)(ds_turned), keys, 0, space);
    TG(sgemm_pack)(rows, dout, n, a->width);
    TG(sgemm)(dv, a->dv.stride, a->keys, a->width, n, p_turned, rows, q0 > 0, space);
    TG(sgemm_pack)(rows, q, n, a->width);
    TG(sgemm)(dk, a->dk.stride, a->keys, a->width, n, ds_turned, rows, q0 > 0, space);
  }
}

void TG(attention_backward)(struct tg_pool *pool, const struct tg_attention *a) {
  struct TG(attention_run) r = {a, pool};
  tg_parallel(pool, (int)(a->batch * a->heads), (double)a->batch * a->heads * a->queries * a->keys * (a->width + 8) / 3,
              TG(attention_backward_task), &r);
}

#else

TG_DISPATCH(attention, struct tg_attention)
TG_DISPATCH(attention_backward, struct tg_attention)

#endif
