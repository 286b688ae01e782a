// 3x3 convolution of a nearest x2 upsampled map, as four 2x2 convolutions on the small map: 16 products a small pixel instead
// of 36, and the upsampled map never exists.
//
// Along one axis, an output line of even number 2y reads small lines y-1 and y through {w0 | w1+w2}, an odd one 2y+1 reads y
// and y+1 through {w0+w1 | w2}. So the outputs of one parity (py, px) are a 2x2 convolution with folded weights.
// Limit: as gemm.h, 118 GFLOP/s a core; 14 -> 28 with 768 channels and 4 images is 14.8 GFLOP.
#include "upconv3x3.h"
#include "op.h"

#ifdef TG_ISA
#include "taps.h"
#include "window.h"

struct TG(upconv_run) {
  const struct tg_conv *o;
  struct TG(window) window;
  int py, px;
  float scale;
};

// Lines y0 to y1 of the 3x3 kernel fold into line r of the 2x2 kernel of parity p; likewise columns.
TG_INLINE struct tg_tap_sum tg_folded(int py, int px, int r, int s) {
  return (struct tg_tap_sum){py ? 2 * r : r, py ? 1 + r : 2 * r, px ? 2 * s : s, px ? 1 + s : 2 * s};
}

// large_row is the number of small pixel number row's counterpart of parity (py, px) among the large map's rows.
TG_INLINE long TG(large_row)(const struct TG(upconv_run) *r, long row) {
  long w = r->o->w, y = row / w, x = row % w; // y counts lines through all images
  return (2 * y + r->py) * 2 * w + 2 * x + r->px;
}

// of_parity is the 2x2 window that outputs of one parity look through.
TG_INLINE struct TG(window) TG(of_parity)(const struct tg_conv *o, int py, int px) {
  return (struct TG(window)){o->in, o->h, o->w, o->ci, o->h, o->w, 2, 2, py - 1, px - 1, 1};
}

static void TG(upconv_pack_window)(const void *ctx, float *to, long row, int rows, long k0, int kc) {
  TG(pack_window_rows)(&((const struct TG(upconv_run) *)ctx)->window, to, row, rows, k0, kc);
}

// Forward: B[(r, s, i), o] = the fold of weight[o, i].
static void TG(upconv_pack_weight)(const void *ctx, float *to, long col, int cols, long k0, int kc) {
  const struct TG(upconv_run) *u = ctx;
  struct tg_tap_sum sums[4];
  for (int tap = 0; tap < 4; tap++) sums[tap] = tg_folded(u->py, u->px, tap / 2, tap % 2);
  TG(pack_forward)(u->o, to, col, cols, k0, kc, sums);
}

static void TG(upconv_emit)(const void *ctx, const float *tile, long row, int rows, long col, int cols) {
  const struct TG(upconv_run) *u = ctx;
  long co = u->o->co;
  for (int i = 0; i < rows; i++)
    TG(gated_row)(u->o->out + TG(large_row)(u, row + i) * co + col, tile + i * TG_NR, u->o->bias + col,
                  u->o->residual + (row + i) * co + col, u->scale, cols);
}

void TG(upconv3x3)(struct tg_pool *pool, const struct tg_conv *o) {
  for (int parity = 0; parity < 4; parity++) {
    int py = parity / 2, px = parity % 2;
    struct TG(upconv_run) u = {o, TG(of_parity)(o, py, px), py, px, tg_tanhf(*o->gate)};
    struct TG(gemm) g = {o->b * o->h * o->w, o->co, 4 * o->ci, 0, 1, &u, TG(upconv_pack_window), TG(upconv_pack_weight), TG(upconv_emit)};
    TG(gemm_run)(pool, &g);
  }
}

// Input gradient: the small map looks at the large lines 2y-1 .. 2y+2, of parities 1, 0, 1, 0, through their folded kernels'
// lines 1, 1, 0, 0: a 4x4 window of step 2 on dout.
static void TG(upconv_pack_turned)(const void *ctx, float *to, long col, int cols, long k0, int kc) {
  struct tg_tap_sum sums[16];
  for (int tap = 0, r = 0; r < 4; r++)
    for (int s = 0; s < 4; s++) sums[tap++] = tg_folded(1 - r % 2, 1 - s % 2, r < 2, s < 2);
  TG(pack_turned)(((const struct TG(upconv_run) *)ctx)->o, to, col, cols, k0, kc, sums);
}

static void TG(upconv_emit_din)(const void *ctx, const float *tile, long row, int rows, long col, int cols) {
  const struct TG(upconv_run) *u = ctx;
  for (int i = 0; i < rows; i++)
    TG(gated_row)(u->o->din + (row + i) * u->o->ci + col, tile + i * TG_NR, NULL, NULL, u->scale, cols);
}

void TG(upconv3x3_input_grad)(struct tg_pool *pool, const struct tg_conv *o) {
  struct TG(window) window = {o->dout, 2 * o->h, 2 * o->w, o->co, o->h, o->w, 4, 4, -1, -1, 2};
  struct TG(upconv_run) u = {o, window, 0, 0, tg_tanhf(*o->gate)};
  struct TG(gemm) g = {o->b * o->h * o->w, o->ci, 16 * o->co, 0, 1, &u, TG(upconv_pack_window), TG(upconv_pack_turned), TG(upconv_emit_din)};
  TG(gemm_run)(pool, &g);
}

// Weight gradient, a parity at a time: rows are output channels, columns (r, s, input channel), k runs over small pixels. A
// folded gradient goes to every tap that was folded into it, and the taps of one parity's columns are distinct, so no two
// tasks meet. As in conv3x3.c, dweight holds [co, 9, ci] until all is added up.
static void TG(upconv_pack_dout)(const void *ctx, float *to, long row, int rows, long k0, int kc) {
  const struct TG(upconv_run) *u = ctx;
  for (int kk = 0; kk < kc; kk++) TG(spread)(to, u->o->dout + TG(large_row)(u, k0 + kk) * u->o->co + row, rows, kk);
}

static void TG(upconv_pack_columns)(const void *ctx, float *to, long col, int cols, long k0, int kc) {
  TG(pack_window_columns)(&((const struct TG(upconv_run) *)ctx)->window, to, col, cols, k0, kc);
}

// add_folded adds n columns from (tap, input channel c) on of a tile to the taps that were folded.
TG_INLINE void TG(add_folded)(const struct TG(upconv_run) *u, const float *tile, long row, int rows, int tap, long c, int n) {
  struct tg_tap_sum t = tg_folded(u->py, u->px, tap / 2, tap % 2);
  for (int y = t.y0; y <= t.y1; y++)
    for (int x = t.x0; x <= t.x1; x++)
      for (int i = 0; i < rows; i++) {
        float *to = u->o->dweight + ((row + i) * 9 + y * 3 + x) * u->o->ci + c;
        TG(gated_row)(to, tile + i * TG_NR, NULL, to, 1, n);
      }
}

static void TG(upconv_emit_dweight)(const void *ctx, const float *tile, long row, int rows, long col, int cols) {
  const struct TG(upconv_run) *u = ctx;
  for (int j = 0, n; j < cols; j += n) {
    long tap = (col + j) / u->o->ci, c = (col + j) % u->o->ci;
    n = (int)tg_least(cols - j, u->o->ci - c);
    TG(add_folded)(u, tile + j, row, rows, (int)tap, c, n);
  }
}

void TG(upconv3x3_weight_grad)(struct tg_pool *pool, const struct tg_conv *o) {
  TG(clear)(o->dweight, o->co * o->ci * 9);
  for (int parity = 0; parity < 4; parity++) {
    int py = parity / 2, px = parity % 2;
    struct TG(upconv_run) u = {o, TG(of_parity)(o, py, px), py, px, 1};
    struct TG(gemm) g = {o->co, 4 * o->ci, o->b * o->h * o->w, 1, 0, &u, TG(upconv_pack_dout), TG(upconv_pack_columns), TG(upconv_emit_dweight)};
    TG(gemm_run)(pool, &g);
  }
  TG(taps_last)(pool, o);
  TG(conv_bias_grad)(pool, o, 4 * o->b * o->h * o->w);
}

#else

TG_DISPATCH(upconv3x3, struct tg_conv)
TG_DISPATCH(upconv3x3_input_grad, struct tg_conv)
TG_DISPATCH(upconv3x3_weight_grad, struct tg_conv)

#endif
