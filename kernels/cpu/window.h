// Windows into NHWC maps, packed for the matrix product without an unfolded copy of the map.
//
// A window of ny x nx taps moves over a map [b, h, w, c]: at place (y, x) of a grid [b, gh, gw], tap (r, s) is the map's
// (y*step + y0 + r, x*step + x0 + s), zero outside the map. As a matrix it has a row for each place of the grid and a
// column for each (r, s, channel).
#ifndef TG_WINDOW_H
#define TG_WINDOW_H

#include "gemm.h"

struct TG(window) {
  const float *map;
  long h, w, c;
  long gh, gw;
  int ny, nx, y0, x0, step;
};

// place is a position of the grid.
struct TG(place) {
  long b, y, x;
};

TG_INLINE struct TG(place) TG(place_of)(const struct TG(window) *v, long row) {
  return (struct TG(place)){row / (v->gh * v->gw), row / v->gw % v->gh, row % v->gw};
}

TG_INLINE void TG(next_place)(const struct TG(window) *v, struct TG(place) *p) {
  if (++p->x < v->gw) return;
  p->x = 0;
  if (++p->y < v->gh) return;
  p->y = 0;
  p->b++;
}

// tap_of returns the channels under a tap, NULL outside the map.
TG_INLINE const float *TG(tap_of)(const struct TG(window) *v, const struct TG(place) *p, long tap) {
  long y = p->y * v->step + v->y0 + tap / v->nx, x = p->x * v->step + v->x0 + tap % v->nx;
  if (y < 0 || y >= v->h || x < 0 || x >= v->w) return NULL;
  return v->map + ((p->b * v->h + y) * v->w + x) * v->c;
}

TG_INLINE void TG(clear)(float *to, long n) {
  long j = 0;
  for (; j + TG_W <= n; j += TG_W) vf_store(to + j, vf_zero());
  if (j < n) vf_store_n(to + j, vf_zero(), (int)(n - j));
}

// copy_columns copies columns [col, col+n) of the row of place p: runs of neighbouring channels, tap by tap.
TG_INLINE void TG(copy_columns)(const struct TG(window) *v, float *to, const struct TG(place) *p, long col, long n) {
  for (long tap = col / v->c, c = col % v->c; n > 0; tap++, c = 0) {
    long run = tg_least(v->c - c, n);
    const float *from = TG(tap_of)(v, p, tap);
    if (from) TG(copy)(to, from + c, run);
    else TG(clear)(to, run);
    to += run;
    n -= run;
  }
}

// pack_window_rows packs an A block by rows, which are places.
TG_INLINE void TG(pack_window_rows)(const struct TG(window) *v, float *to, long row, int rows, long k0, int kc) {
  struct TG(place) p = TG(place_of)(v, row);
  for (int i = 0; i < rows; i++, TG(next_place)(v, &p)) TG(copy_columns)(v, TG(row_at)(to, i), &p, k0, kc);
}

// pack_tap copies channels [c, c+n), n <= TG_NR, under one tap of kc places from number k0 on to rows TG_NR apart.
TG_INLINE void TG(pack_tap)(const struct TG(window) *v, float *to, long tap, long c, int n, long k0, int kc) {
  static const float outside[TG_NR];
  struct TG(place) p = TG(place_of)(v, k0);
  while (kc > 0) {
    long line = p.y * v->step + v->y0 + tap / v->nx, x = p.x * v->step + v->x0 + tap % v->nx;
    int count = (int)tg_least(kc, v->gw - p.x), inside = line >= 0 && line < v->h;
    const float *from = v->map + (p.b * v->h + line) * v->w * v->c + c;
    for (int i = 0; i < count; i++, x += v->step, to += TG_NR) {
      const float *src = inside && x >= 0 && x < v->w ? from + x * v->c : outside;
      if (n == TG_NR) {
#pragma GCC unroll 4
        for (int j = 0; j < TG_NR; j += TG_W) vf_store(to + j, vf_load(src + j));
      } else {
        TG(copy)(to, src, n);
      }
    }
    kc -= count;
    p.x += count - 1;
    TG(next_place)(v, &p);
  }
}

// pack_window_columns packs a B panel of the window's columns; k counts places.
TG_INLINE void TG(pack_window_columns)(const struct TG(window) *v, float *to, long col, int cols, long k0, int kc) {
  for (int j = 0, n; j < cols; j += n) {
    long tap = (col + j) / v->c, c = (col + j) % v->c;
    n = (int)tg_least(cols - j, v->c - c);
    TG(pack_tap)(v, to + j, tap, c, n, k0, kc);
  }
  for (int kk = 0; cols < TG_NR && kk < kc; kk++) TG(clear)(to + kk * TG_NR + cols, TG_NR - cols);
}

// gated_row writes out = residual + scale*(sum + bias) for one row of n values; bias and residual may be NULL.
TG_INLINE void TG(gated_row)(float *out, const float *sum, const float *bias, const float *residual, float scale, int n) {
  for (int j = 0; j < n; j += TG_W) {
    int lanes = n - j < TG_W ? n - j : TG_W;
    vf v = vf_load_n(sum + j, lanes);
    if (bias) v += vf_load_n(bias + j, lanes);
    v *= scale;
    if (residual) v = vf_load_n(residual + j, lanes) + v;
    vf_store_n(out + j, v, lanes);
  }
}

#endif
