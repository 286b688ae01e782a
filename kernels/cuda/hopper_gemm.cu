// Matrix product with its epilogue on Hopper's engines (hopper_tiles.cuh): what matmul.cu computes, from operands that
// hopper_pack.cu has rounded and, where needed, turned.
//
// Limit: float32 results. At 13 bytes a cycle and SM, a tile of 128 KB takes 10000 cycles to write, as long as its
// products do for k = 640; the ring is full again by then, but the tensor cores have waited.
#include "epilogue.cuh"
#include "hopper_gemm.h"
#include "hopper_tiles.cuh"

template <int cols>
__device__ inline void gemm(const tg_hopper_gemm &a, unsigned char *memory) {
  const tg_matmul &p = a.product;
  const int row_tiles = pieces(p.m, kRows), col_tiles = pieces(p.n, cols), steps = pieces(p.k, kInner);
  const auto load = [&](int number) {
    const Tile tile = tile_at(number, row_tiles, col_tiles);
    return [tile, &a](Stage<cols> &stage, mbarrier *full, int step) {
      tma_load(stage.a, &a.a, full, step * kInner, tile.row * kRows, 0);
      tma_load(stage.b, &a.b, full, step * kInner, tile.col * cols, 0);
    };
  };
  const auto emit = [&](Shared<cols> *s, int warp, int number, const float(&d)[cols / 2]) {
    const Tile tile = tile_at(number, row_tiles, col_tiles);
    const int row = tile.row * kRows + warp * 16;
    strips<cols>(d, s->strips[warp], [&](int col, float(&v)[16]) {
      col += tile.col * cols;
      if (col < p.n) finish(p, row, p.m - row, col, v);
    });
  };
  run<cols, false>(memory, row_tiles * col_tiles, steps, (int)sizeof(Stage<cols>), load, emit);
}

TG_KERNEL(hopper_gemm_256_bf16, tg_hopper_gemm, kThreads) {
  TG_DYNAMIC_SHARED(memory);
  gemm<256>(a, memory);
}
TG_KERNEL(hopper_gemm_128_bf16, tg_hopper_gemm, kThreads) {
  TG_DYNAMIC_SHARED(memory);
  gemm<128>(a, memory);
}
