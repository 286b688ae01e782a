// 3x3 convolution as a matrix product: rows are pixels, k runs over (tap, input channel), columns are output channels.
// A map of 4 x 28 x 28 with 768 channels to and fro costs 33 GFLOP and touches 40 MB: arithmetic is the limit, 118 GFLOP/s a
// core (gemm.h). Copying the windows into panels adds one load and store a float, used for at least 256 output channels or
// all there are.
#include "conv3x3.h"
#include "op.h"

#ifdef TG_ISA
#include "taps.h"
#include "window.h"
#include "rows.h"

void TG(column_sums)(struct tg_pool *pool, const struct tg_column_sums *a);

struct TG(conv_run) {
  const struct tg_conv *o;
  struct TG(window) window;
  float scale; // tanh(gate)
};

// around is the window of the 3x3 neighbours in a map with c channels.
TG_INLINE struct TG(window) TG(around)(const struct tg_conv *o, const float *map, long c) {
  return (struct TG(window)){map, o->h, o->w, c, o->h, o->w, 3, 3, -1, -1, 1};
}

static void TG(conv_pack_window)(const void *ctx, float *to, long row, int rows, long k0, int kc) {
  TG(pack_window_rows)(&((const struct TG(conv_run) *)ctx)->window, to, row, rows, k0, kc);
}

static const struct tg_tap_sum TG(forward_taps)[] = {
    {0, 0, 0, 0}, {0, 0, 1, 1}, {0, 0, 2, 2}, {1, 1, 0, 0}, {1, 1, 1, 1}, {1, 1, 2, 2}, {2, 2, 0, 0}, {2, 2, 1, 1}, {2, 2, 2, 2}};
static const struct tg_tap_sum TG(turned_taps)[] = {
    {2, 2, 2, 2}, {2, 2, 1, 1}, {2, 2, 0, 0}, {1, 1, 2, 2}, {1, 1, 1, 1}, {1, 1, 0, 0}, {0, 0, 2, 2}, {0, 0, 1, 1}, {0, 0, 0, 0}};

// Forward: B[(tap, i), o] = weight[o, i, tap].
static void TG(conv_pack_weight)(const void *ctx, float *to, long col, int cols, long k0, int kc) {
  TG(pack_forward)(((const struct TG(conv_run) *)ctx)->o, to, col, cols, k0, kc, TG(forward_taps));
}

static void TG(conv_emit)(const void *ctx, const float *tile, long row, int rows, long col, int cols) {
  const struct TG(conv_run) *r = ctx;
  for (int i = 0; i < rows; i++) {
    long at = (row + i) * r->o->co + col;
    TG(gated_row)(r->o->out + at, tile + i * TG_NR, r->o->bias + col, r->o->residual + at, r->scale, cols);
  }
}

void TG(conv3x3)(struct tg_pool *pool, const struct tg_conv *o) {
  struct TG(conv_run) r = {o, TG(around)(o, o->in, o->ci), tg_tanhf(*o->gate)};
  struct TG(gemm) g = {o->b * o->h * o->w, o->co, 9 * o->ci, 0, 1, &r, TG(conv_pack_window), TG(conv_pack_weight), TG(conv_emit)};
  TG(gemm_run)(pool, &g);
}

// Input gradient: the same with the kernels turned round, B[(tap, o), i] = weight[o, i, 8-tap].
static void TG(conv_pack_turned)(const void *ctx, float *to, long col, int cols, long k0, int kc) {
  TG(pack_turned)(((const struct TG(conv_run) *)ctx)->o, to, col, cols, k0, kc, TG(turned_taps));
}

static void TG(conv_emit_din)(const void *ctx, const float *tile, long row, int rows, long col, int cols) {
  const struct TG(conv_run) *r = ctx;
  for (int i = 0; i < rows; i++)
    TG(gated_row)(r->o->din + (row + i) * r->o->ci + col, tile + i * TG_NR, NULL, NULL, r->scale, cols);
}

void TG(conv3x3_input_grad)(struct tg_pool *pool, const struct tg_conv *o) {
  struct TG(conv_run) r = {o, TG(around)(o, o->dout, o->co), tg_tanhf(*o->gate)};
  struct TG(gemm) g = {o->b * o->h * o->w, o->ci, 9 * o->co, 0, 1, &r, TG(conv_pack_window), TG(conv_pack_turned), TG(conv_emit_din)};
  TG(gemm_run)(pool, &g);
}

// Weight gradient: rows are output channels, columns (tap, input channel), k runs over pixels in order, a slice at a time,
// so that a slice of the map is still in the cache when its next columns are packed. Until all is added up, dweight's
// [co, ci, 9] holds [co, 9, ci]: whole vectors.
enum { TG_SLICE = 4096 };

struct TG(conv_slice) {
  const struct tg_conv *o;
  struct TG(window) window;
  long first; // pixel
};

static void TG(conv_pack_dout)(const void *ctx, float *to, long row, int rows, long k0, int kc) {
  const struct TG(conv_slice) *s = ctx;
  TG(pack_rows)(&(struct TG(matrix)){s->o->dout, s->o->co, 1}, to, row, rows, s->first + k0, kc);
}

static void TG(conv_pack_columns)(const void *ctx, float *to, long col, int cols, long k0, int kc) {
  const struct TG(conv_slice) *s = ctx;
  TG(pack_window_columns)(&s->window, to, col, cols, s->first + k0, kc);
}

static void TG(conv_emit_dweight)(const void *ctx, const float *tile, long row, int rows, long col, int cols) {
  const struct TG(conv_slice) *s = ctx;
  for (int i = 0; i < rows; i++) {
    float *to = s->o->dweight + (row + i) * 9 * s->o->ci + col;
    TG(gated_row)(to, tile + i * TG_NR, NULL, s->first > 0 ? to : NULL, 1, cols);
  }
}

TG_INLINE void TG(conv_bias_grad)(struct tg_pool *pool, const struct tg_conv *o, long pixels) {
  TG(clear)(o->dbias, o->co);
  TG(column_sums)(pool, &(struct tg_column_sums){pixels, o->co, o->co, o->dbias, o->dout});
}

void TG(conv3x3_weight_grad)(struct tg_pool *pool, const struct tg_conv *o) {
  long pixels = o->b * o->h * o->w, slices = tg_ceil_div(pixels, TG_SLICE), each = tg_ceil_div(pixels, slices);
  for (long first = 0; first < pixels; first += each) {
    struct TG(conv_slice) s = {o, TG(around)(o, o->in, o->ci), first};
    struct TG(gemm) g = {o->co, 9 * o->ci, tg_least(each, pixels - first), 1, 0, &s,
                         TG(conv_pack_dout), TG(conv_pack_columns), TG(conv_emit_dweight)};
    TG(gemm_run)(pool, &g);
  }
  TG(taps_last)(pool, o);
  TG(conv_bias_grad)(pool, o, pixels);
}

#else

TG_DISPATCH(conv3x3, struct tg_conv)
TG_DISPATCH(conv3x3_input_grad, struct tg_conv)
TG_DISPATCH(conv3x3_weight_grad, struct tg_conv)

#endif
