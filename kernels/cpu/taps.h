// The weights of 3x3 convolutions, [co, ci, 9], packed for the matrix product and put back.
#ifndef TG_TAPS_H
#define TG_TAPS_H

#include "conv3x3.h"
#include "gemm.h"

// A sum of one, two or four of the nine taps of a kernel: those in lines y0 and y1, columns x0 and x1.
struct tg_tap_sum {
  int y0, y1, x0, x1;
};

// pack_sums writes to[kk*TG_NR + j] = the sum of taps of the kernel at from + kk*down + j*across, zero from cols to TG_NR.
// Small pieces are read along the rows of the weight, so that the lines of the cache are used up while they are there.
#define TG_PACK_SUMS(value)                                                              \
  if (across < down)                                                                     \
    for (int kk = 0; kk < kc; kk++)                                                      \
      for (int j = 0; j < cols; j++) {                                                   \
        const float *k = from + kk * down + j * across;                                  \
        to[kk * TG_NR + j] = value;                                                      \
      }                                                                                  \
  else                                                                                   \
    for (int part = 0; part < kc; part += 64)                                            \
      for (int j = 0; j < cols; j++)                                                     \
        for (int kk = part; kk < kc && kk < part + 64; kk++) {                           \
          const float *k = from + kk * down + j * across;                                \
          to[kk * TG_NR + j] = value;                                                    \
        }
TG_INLINE void TG(pack_sums)(float *to, const float *from, long down, long across, int kc, int cols, struct tg_tap_sum t) {
  int a = t.y0 * 3 + t.x0, b = t.y0 * 3 + t.x1, c = t.y1 * 3 + t.x0, d = t.y1 * 3 + t.x1;
  if (a == d) {
    TG_PACK_SUMS(k[a])
  } else if (a == b || a == c) {
    TG_PACK_SUMS(k[a] + k[d])
  } else {
    TG_PACK_SUMS((k[a] + k[b]) + (k[c] + k[d]))
  }
  for (int kk = 0; cols < TG_NR && kk < kc; kk++)
    for (int j = cols; j < TG_NR; j++) to[kk * TG_NR + j] = 0;
}
#undef TG_PACK_SUMS

// pack_forward packs a B panel of columns [col, col+cols) of outputs; k counts (tap, input), the first of which is k0 and all of
// which are sums[tap].
TG_INLINE void TG(pack_forward)(const struct tg_conv *o, float *to, long col, int cols, long k0, int kc, const struct tg_tap_sum *sums) {
  for (long k = k0, n; k < k0 + kc; k += n, to += n * TG_NR) {
    long tap = k / o->ci, i = k % o->ci;
    n = tg_least(o->ci - i, k0 + kc - k);
    TG(pack_sums)(to, o->weight + (col * o->ci + i) * 9, 9, 9 * o->ci, (int)n, cols, sums[tap]);
  }
}

// pack_turned is pack_forward with inputs for columns and (tap, output) for k.
TG_INLINE void TG(pack_turned)(const struct tg_conv *o, float *to, long col, int cols, long k0, int kc, const struct tg_tap_sum *sums) {
  for (long k = k0, n; k < k0 + kc; k += n, to += n * TG_NR) {
    long tap = k / o->co, i = k % o->co;
    n = tg_least(o->co - i, k0 + kc - k);
    TG(pack_sums)(to, o->weight + (i * o->ci + col) * 9, 9 * o->ci, 9, (int)n, cols, sums[tap]);
  }
}

// Weight gradients add up in dweight as [co, 9, ci], whole vectors; taps_last then turns each output's part into [ci, 9].
struct TG(taps_run) {
  const struct tg_conv *o;
  struct tg_pool *pool;
};

static void TG(taps_last_task)(void *ctx, int task, int thread) {
  const struct TG(taps_run) *r = ctx;
  long ci = r->o->ci;
  float *at = r->o->dweight + task * 9 * ci, *taps = tg_scratch(r->pool, thread, 9 * ci * sizeof(float));
  TG(copy)(taps, at, 9 * ci);
  for (long i = 0; i < ci; i++)
    for (int tap = 0; tap < 9; tap++) at[i * 9 + tap] = taps[tap * ci + i];
}

TG_INLINE void TG(taps_last)(struct tg_pool *pool, const struct tg_conv *o) {
  struct TG(taps_run) r = {o, pool};
  tg_parallel(pool, (int)o->co, (double)o->co * 18 * o->ci, TG(taps_last_task), &r);
}

#endif
