// The matrix product under every dense operation: matmul, convolutions, attention, mask kernels.
//
// C[m, n] = A[m, k] · B[k, n]. Where A and B lie, and what happens to C, is up to three functions of the operation: packers
// copy pieces of A and B into the layouts below, emit takes finished tiles. So a convolution packs straight from its map
// and no unfolded copy of the map exists.
//
// Order of summation, the only one there is: k is cut into equal blocks of at most TG_KC (by k alone); in a block the
// products are added by fma from 0 in order of k; block sums are added in order. An element of C therefore has the same
// bits whatever m, n, the tiling, the threads and the instruction set are.
//
// Limit: a Zen 4 core does one 512-bit or two 256-bit fma a cycle, 32 FLOP, 118 GFLOP/s at 3.7 GHz. A micro-tile of 14 x 32
// keeps 28 sums in registers and needs per step of k 2 vector loads and 14 broadcasts for 28 fma, 28 cycles; the A panel
// (14 x 384 floats, 21 KB) stays in the first cache, the B panel streams from the second at 4.6 bytes a cycle of 32.
#ifndef TG_GEMM_H
#define TG_GEMM_H

#include <stdlib.h>

#include "op.h"
#include "simd.h"

// The micro-tile: TG_MR rows by TG_NV vectors, as many sums as fit into the registers beside one row of B and one value of A.
#if defined(TG_USE_AVX512)
enum { TG_MR = 14, TG_NV = 2 };
#elif defined(TG_USE_AVX2)
enum { TG_MR = 6, TG_NV = 2 };
#elif defined(TG_USE_NEON)
enum { TG_MR = 8, TG_NV = 3 };
#else
enum { TG_MR = 4, TG_NV = 2 };
#endif

enum {
  TG_NR = TG_NV * TG_W,     // columns of a micro-tile
  TG_KC = 384,              // most k in a block
  TG_KS = TG_KC + 16,       // distance of rows in a packed A panel: no power of two, so rows fall into different cache sets
  TG_TILE = TG_MR * TG_NR,  // floats of a micro-tile
  TG_PANEL = TG_MR * TG_KS, // floats of a packed A panel
  TG_MT = (112 / TG_MR) * TG_MR, // rows and columns of a task: A block, B block and tiles fit the second cache together
  TG_NT = (256 / TG_NR) * TG_NR,
  TG_CHUNK = 2 << 20, // most floats of B that are packed at one time
};

// tg_gemm describes a product. Layouts: A's rows are packed in panels of TG_MR, TG_PANEL floats apart; row i of a panel lies
// at + i*TG_KS, or, where a_by_k is set, a panel has TG_MR values for each k, at + kk*TG_MR. A packed B panel holds TG_NR
// columns, at to + kk*TG_NR; columns past the last must be zero. Rows past the last may be anything: they are never emitted.
struct TG(gemm) {
  long m, n, k;
  int a_by_k;
  int b_by_panel; // B is read panel by panel, not k by k: what lies near each other in memory
  const void *ctx;
  void (*pack_a)(const void *ctx, float *to, long row, int rows, long k0, int kc);
  void (*pack_b)(const void *ctx, float *to, long col, int cols, long k0, int kc);
  // emit gets a tile of finished sums, row i at tile + i*TG_NR.
  void (*emit)(const void *ctx, const float *tile, long row, int rows, long col, int cols);
};

TG_INLINE long tg_ceil_div(long a, long b) { return (a + b - 1) / b; }
TG_INLINE long tg_least(long a, long b) { return a < b ? a : b; }

// tg_k_block is the size of k's blocks: equal but for the last, a multiple of 8.
TG_INLINE int tg_k_block(long k) {
  if (k <= TG_KC) return k < 1 ? 1 : (int)k;
  long blocks = tg_ceil_div(k, TG_KC);
  return (int)((tg_ceil_div(k, blocks) + 7) / 8 * 8);
}

// kernel adds (or, in the first block, sets) rows x nv vectors of a tile. All but pointers and kc are constants at each call.
TG_INLINE void TG(kernel)(int rows, int nv, int by_k, float *tile, const float *a, const float *b, int kc, int add) {
  vf sum[TG_MR][TG_NV];
#pragma GCC unroll 16
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
    for (int j = 0; j < nv; j++) sum[i][j] = vf_zero();
  for (int kk = 0; kk < kc; kk++) {
    vf row[TG_NV];
#pragma GCC unroll 4
    for (int j = 0; j < nv; j++) row[j] = vf_load(b + j * TG_W);
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) {
      vf x = vf_set1(by_k ? a[i] : a[i * TG_KS]);
#pragma GCC unroll 4
      for (int j = 0; j < nv; j++) sum[i][j] = vf_fma(x, row[j], sum[i][j]);
    }
    b += TG_NR;
    a += by_k ? TG_MR : 1;
  }
#pragma GCC unroll 16
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
    for (int j = 0; j < nv; j++) {
      float *to = tile + i * TG_NR + j * TG_W;
      vf value = sum[i][j];
      if (add) value = vf_load(to) + value;
      vf_store(to, value);
    }
}

// micro runs the kernel for an even number of rows (or one) that covers the tile's: a short tile costs less.
TG_INLINE void TG(micro)(int rows, int nv, int by_k, float *tile, const float *a, const float *b, int kc, int add) {
#define TG_ROWS(n)                                                              \
  case n:                                                                       \
    if (n <= TG_MR) TG(kernel)(n <= TG_MR ? n : 1, nv, by_k, tile, a, b, kc, add); \
    return;
  switch (rows == 1 ? 1 : (rows + 1) & ~1) {
    TG_ROWS(1)
    TG_ROWS(2)
    TG_ROWS(4)
    TG_ROWS(6)
    TG_ROWS(8)
    TG_ROWS(10)
    TG_ROWS(12)
    TG_ROWS(14)
  }
#undef TG_ROWS
}

#define TG_MICRO(name, nv, by_k)                                                                                      \
  static __attribute__((noinline)) void TG(name)(int rows, float *tile, const float *a, const float *b, int kc, int add) { \
    TG(micro)(rows, nv, by_k, tile, a, b, kc, add);                                                                   \
  }
TG_MICRO(wide, TG_NV, 0)
TG_MICRO(narrow, 1, 0)
TG_MICRO(wide_by_k, TG_NV, 1)
TG_MICRO(narrow_by_k, 1, 1)
#undef TG_MICRO

// tile_block adds block k of a tile whose columns take up cols <= TG_NR.
TG_INLINE void TG(tile_block)(int by_k, int rows, long cols, float *tile, const float *a, const float *b, int kc, int add) {
  if (cols <= TG_W) {
    if (by_k) TG(narrow_by_k)(rows, tile, a, b, kc, add);
    else TG(narrow)(rows, tile, a, b, kc, add);
  } else {
    if (by_k) TG(wide_by_k)(rows, tile, a, b, kc, add);
    else TG(wide)(rows, tile, a, b, kc, add);
  }
}

// block_floats is the scratch of block for rows x cols: the packed A block and, when k has several blocks, all tiles.
TG_INLINE size_t TG(block_floats)(long rows, long cols, long k) {
  long panels = tg_ceil_div(rows, TG_MR), columns = k > TG_KC ? tg_ceil_div(cols, TG_NR) : 1;
  return panels * TG_PANEL + (k > TG_KC ? panels : 1) * columns * TG_TILE;
}

// block computes and emits C[row.., col..] of rows x cols from packed B panels, the first of which begins at column col and
// which lie g->k * TG_NR floats apart.
static __attribute__((unused)) void TG(block)(const struct TG(gemm) *g, long row, long rows, long col, long cols, const float *packed,
                                              float *scratch) {
  int several = g->k > TG_KC, step = tg_k_block(g->k);
  long panels = tg_ceil_div(rows, TG_MR), columns = tg_ceil_div(cols, TG_NR);
  float *a = scratch, *tiles = scratch + panels * TG_PANEL;
  for (long k0 = 0; k0 < g->k || k0 == 0; k0 += step) {
    int kc = (int)tg_least(step, g->k - k0), last = k0 + kc >= g->k;
    g->pack_a(g->ctx, a, row, (int)rows, k0, kc);
    for (long p = 0; p < panels; p++) {
      long r0 = row + p * TG_MR;
      int height = (int)tg_least(TG_MR, row + rows - r0);
      float *panel = a + p * TG_PANEL;
      for (long q = 0; q < columns; q++) {
        long c0 = q * TG_NR, width = tg_least(TG_NR, cols - c0);
        float *tile = several ? tiles + (p * columns + q) * TG_TILE : tiles;
        TG(tile_block)(g->a_by_k, height, width, tile, panel, packed + q * TG_NR * g->k + k0 * TG_NR, kc, k0 > 0);
        if (last) g->emit(g->ctx, tile, r0, height, col + c0, width);
      }
    }
  }
}

// packed_floats is the space of B's packed panels.
TG_INLINE size_t TG(packed_floats)(long k, long cols) { return tg_ceil_div(cols, TG_NR) * TG_NR * k; }

// The product on all threads.

struct TG(gemm_run) {
  const struct TG(gemm) *g;
  struct tg_pool *pool;
  float *packed;
  long col, cols;        // the chunk of columns at hand
  long mt, nt, down;     // a task's rows and columns; tasks down a column of C
};

// A task packs one block of k of one panel, and neighbouring tasks read B where it lies together.
static void TG(gemm_pack_task)(void *ctx, int task, int thread) {
  (void)thread;
  const struct TG(gemm_run) *r = ctx;
  long panels = tg_ceil_div(r->cols, TG_NR), step = tg_k_block(r->g->k), blocks = tg_ceil_div(r->g->k, step);
  long c0 = (r->g->b_by_panel ? task / blocks : task % panels) * TG_NR;
  long k0 = (r->g->b_by_panel ? task % blocks : task / panels) * step;
  r->g->pack_b(r->g->ctx, r->packed + c0 * r->g->k + k0 * TG_NR, r->col + c0, (int)tg_least(TG_NR, r->cols - c0), k0,
               (int)tg_least(step, r->g->k - k0));
}

static void TG(gemm_block_task)(void *ctx, int task, int thread) {
  const struct TG(gemm_run) *r = ctx;
  long row = task % r->down * r->mt, c0 = task / r->down * r->nt;
  long rows = tg_least(r->mt, r->g->m - row), cols = tg_least(r->nt, r->cols - c0);
  float *scratch = tg_scratch(r->pool, thread, TG(block_floats)(rows, cols, r->g->k) * sizeof(float));
  TG(block)(r->g, row, rows, r->col + c0, cols, r->packed + c0 * r->g->k, scratch);
}

// choose_tasks makes tasks smaller than the caches would like where the product is too small to occupy many cores: not below
// a million multiply-adds each.
TG_INLINE void TG(choose_tasks)(struct TG(gemm_run) *r) {
  double work = (double)r->g->m * r->cols * r->g->k / 1e6;
  long wanted = work > 32 ? 32 : (long)work;
  r->mt = TG_MT;
  r->nt = TG_NT;
  while (tg_ceil_div(r->g->m, r->mt) * tg_ceil_div(r->cols, r->nt) < wanted) {
    if (r->mt > 2 * TG_MR) r->mt = tg_ceil_div(r->mt / TG_MR, 2) * TG_MR;
    else if (r->nt > 2 * TG_NR) r->nt = tg_ceil_div(r->nt / TG_NR, 2) * TG_NR;
    else break;
  }
  r->down = tg_ceil_div(r->g->m, r->mt);
}

// gemm runs a product. B is packed a chunk of columns at a time, so that its copy stays below TG_CHUNK floats or one panel.
static __attribute__((unused)) void TG(gemm_run)(struct tg_pool *pool, const struct TG(gemm) *g) {
  long chunk = tg_least(g->n, TG_CHUNK / (g->k + 1) / TG_NR * TG_NR);
  if (chunk < TG_NR) chunk = TG_NR;
  struct TG(gemm_run) r = {.g = g, .pool = pool};
  r.packed = tg_shared(pool, TG(packed_floats)(g->k, tg_least(chunk, g->n)) * sizeof(float));
  for (r.col = 0; r.col < g->n; r.col += chunk) {
    r.cols = tg_least(chunk, g->n - r.col);
    TG(choose_tasks)(&r);
    long packs = tg_ceil_div(r.cols, TG_NR) * tg_ceil_div(g->k, tg_k_block(g->k));
    tg_parallel(pool, (int)packs, (double)r.cols * g->k, TG(gemm_pack_task), &r);
    tg_parallel(pool, (int)(r.down * tg_ceil_div(r.cols, r.nt)), (double)g->m * r.cols * g->k / 16, TG(gemm_block_task), &r);
  }
}

// transpose copies rows x cols of from (row i at from + i*ld), turned, to to (row j at to + j*step): the lanes of row j are
// the values of column j, zero from rows to TG_W. rows <= TG_W.
TG_INLINE void TG(transpose)(float *to, long step, const float *from, long ld, int rows, long cols) {
#if TG_W == 16
#define TG_ZIP_LOW(a, b) __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define TG_ZIP_HIGH(a, b) __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#elif TG_W == 8
#define TG_ZIP_LOW(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define TG_ZIP_HIGH(a, b) __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#else
#define TG_ZIP_LOW(a, b) __builtin_shufflevector(a, b, 0, 4, 1, 5)
#define TG_ZIP_HIGH(a, b) __builtin_shufflevector(a, b, 2, 6, 3, 7)
#endif
  for (long j = 0; j < cols; j += TG_W) {
    int n = (int)tg_least(TG_W, cols - j);
    vf x[TG_W], y[TG_W];
    for (int i = 0; i < TG_W; i++) x[i] = i < rows ? vf_load_n(from + i * ld + j, n) : vf_zero();
    // log2(TG_W) times, vectors i and i + TG_W/2 are zipped into vectors 2i and 2i + 1.
    for (int half = 1; half < TG_W; half *= 2) {
#pragma GCC unroll 8
      for (int i = 0; i < TG_W / 2; i++) {
        y[2 * i] = TG_ZIP_LOW(x[i], x[i + TG_W / 2]);
        y[2 * i + 1] = TG_ZIP_HIGH(x[i], x[i + TG_W / 2]);
      }
#pragma GCC unroll 16
      for (int i = 0; i < TG_W; i++) x[i] = y[i];
    }
    for (int i = 0; i < n; i++) vf_store(to + (j + i) * step, x[i]);
  }
}

// Operands that are plain matrices: element (i, j) at at[i*ld + j], or at[j*ld + i] when turned.
struct TG(matrix) {
  const float *at;
  long ld;
  int turned;
};

TG_INLINE void TG(copy)(float *to, const float *from, long n) {
  long j = 0;
  for (; j + TG_W <= n; j += TG_W) vf_store(to + j, vf_load(from + j));
  if (j < n) vf_store_n(to + j, vf_load_n(from + j, (int)(n - j)), (int)(n - j));
}

// row_at returns where row i of a packed A block by rows begins.
TG_INLINE float *TG(row_at)(float *to, long i) { return to + i / TG_MR * TG_PANEL + i % TG_MR * TG_KS; }

// spread packs rows values of one k, that lie side by side, into the panels of an A block by k. Whole vectors run over into
// the next k, which is written later, or behind the panel's last, which has room.
TG_INLINE void TG(spread)(float *to, const float *from, long rows, int kk) {
  to += kk * TG_MR;
  for (long i = 0; i < rows; i += TG_MR, to += TG_PANEL)
#pragma GCC unroll 4
    for (int j = 0; j < TG_MR; j += TG_W) {
      if (i + j + TG_W <= rows) vf_store(to + j, vf_load(from + i + j));
      else if (i + j < rows) vf_store(to + j, vf_load_n(from + i + j, (int)(rows - i - j)));
    }
}

// pack_rows packs an A block: by rows from a plain matrix, by k from a turned one. Which of the two, a_by_k must tell.
TG_INLINE void TG(pack_rows)(const struct TG(matrix) *a, float *to, long row, int rows, long k0, int kc) {
  if (a->turned)
    for (int kk = 0; kk < kc; kk++) TG(spread)(to, a->at + (k0 + kk) * a->ld + row, rows, kk);
  else
    for (int i = 0; i < rows; i++) TG(copy)(TG(row_at)(to, i), a->at + (row + i) * a->ld + k0, kc);
}

// pack_columns packs a B panel.
TG_INLINE void TG(pack_columns)(const struct TG(matrix) *b, float *to, long col, int cols, long k0, int kc) {
  if (!b->turned) {
    const float *from = b->at + k0 * b->ld + col;
    for (int kk = 0; kk < kc; kk++, from += b->ld, to += TG_NR)
      for (int j = 0; j < TG_NR; j += TG_W) {
        int n = cols - j < 0 ? 0 : cols - j < TG_W ? cols - j : TG_W;
        vf_store(to + j, n == TG_W ? vf_load(from + j) : vf_load_n(from + j, n));
      }
    return;
  }
  for (int j = 0; j < TG_NR; j += TG_W) {
    int n = cols - j < 0 ? 0 : cols - j < TG_W ? cols - j : TG_W;
    TG(transpose)(to + j, TG_NR, b->at + (col + j) * b->ld + k0, b->ld, n, kc);
  }
}

// sgemm is the product of plain matrices on one thread, for tiles inside other operations:
// C[m, n] = (add ? C : 0) + A[m, k] · B[k, n], B packed before by sgemm_pack.

struct TG(sgemm_args) {
  struct TG(matrix) a;
  float *c;
  long ldc;
  int add;
};

static void TG(sgemm_pack_a)(const void *ctx, float *to, long row, int rows, long k0, int kc) {
  TG(pack_rows)(&((const struct TG(sgemm_args) *)ctx)->a, to, row, rows, k0, kc);
}

static void TG(sgemm_emit)(const void *ctx, const float *tile, long row, int rows, long col, int cols) {
  const struct TG(sgemm_args) *s = ctx;
  for (int i = 0; i < rows; i++)
    for (int j = 0; j < cols; j += TG_W) {
      int n = cols - j < TG_W ? cols - j : TG_W;
      float *c = s->c + (row + i) * s->ldc + col + j;
      vf v = vf_load(tile + i * TG_NR + j);
      if (s->add) v = vf_load_n(c, n) + v;
      vf_store_n(c, v, n);
    }
}

// sgemm_pack packs B[k, n] into packed_floats(k, n) floats.
static __attribute__((unused)) void TG(sgemm_pack)(float *to, struct TG(matrix) b, long k, long n) {
  int step = tg_k_block(k);
  for (long col = 0; col < n; col += TG_NR, to += TG_NR * k)
    for (long k0 = 0; k0 < k; k0 += step)
      TG(pack_columns)(&b, to + k0 * TG_NR, col, (int)tg_least(TG_NR, n - col), k0, (int)tg_least(step, k - k0));
}

// sgemm needs scratch of sgemm_floats(m, n, k).
TG_INLINE size_t TG(sgemm_floats)(long m, long n, long k) { return TG(block_floats)(tg_least(m, TG_MT), tg_least(n, TG_NT), k); }

static __attribute__((unused)) void TG(sgemm)(float *c, long ldc, long m, long n, long k, struct TG(matrix) a, const float *packed,
                                              int add, float *scratch) {
  struct TG(sgemm_args) s = {.a = a, .c = c, .ldc = ldc, .add = add};
  struct TG(gemm) g = {m, n, k, a.turned, 0, &s, TG(sgemm_pack_a), NULL, TG(sgemm_emit)};
  for (long col = 0; col < n; col += TG_NT)
    for (long row = 0; row < m; row += TG_MT)
      TG(block)(&g, row, tg_least(TG_MT, m - row), col, tg_least(TG_NT, n - col), packed + col * k, scratch);
}

#endif
