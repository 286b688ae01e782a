// Sums over positions on Hopper's engines (hopper_tiles.cuh): the weight gradients of linear layers and of 3x3
// convolutions, plain and of upsampled maps. Results are few and positions many, so several tiles share the positions
// of the same results; matmul_finish, conv_unpack and upconv_unfold add what they write in its order.
//
// Operands lie as [position, channel]. What a tap sees of a box of positions is the same box moved, as in
// hopper_conv.cu. Boxes reach over the edges of maps, and the last split beyond the last image: there the left operand
// is zero.
//
// Limit: the tensor cores; a split of the largest layer writes 21 MB, 7 us.
#include "hopper_tiles.cuh"
#include "hopper_weight_grad.h"

// Part is a tile's share of the work.
struct Part {
  int split, product, row, col;
};

template <int cols>
__device__ inline void add_up(const tg_hopper_weight_grad &a, unsigned char *memory) {
  const int down = pieces(a.rows, kRows), row_tiles = a.splits * a.products * down, col_tiles = pieces(a.cols, cols);
  const auto part = [&](int number) -> Part {
    const Tile tile = tile_at(number, row_tiles, col_tiles);
    const int product = tile.row / down;
    return {product / a.products, product % a.products, tile.row % down * kRows, tile.col * cols};
  };
  const auto load = [&](int number) {
    const Part p = part(number);
    const int taps = a.across * a.across, parity = p.product / taps, tap = p.product % taps;
    const int move_x = a.first + parity % 2 + tap % a.across, move_y = a.first + parity / 2 + tap / a.across;
    return [p, parity, move_x, move_y, &a](Stage<cols> &stage, mbarrier *full, int step) {
      const int box = p.split * a.steps + step, line = box / a.boxes_across;
      const int x = box % a.boxes_across * a.box_w, y = line % a.boxes_down * a.box_h;
      const int b = line / a.boxes_down * a.box_b;
      for (int i = 0; i < kRows / 64; i++)
        tma_load(stage.a + i * kSquare, &a.left[parity], full, p.row + i * 64, x, y, b);
      for (int i = 0; i < cols / 64; i++)
        tma_load(stage.b + i * kSquare, &a.right, full, p.col + i * 64, x + move_x, y + move_y, b);
    };
  };
  const auto emit = [&](Shared<cols> *s, int warp, int number, const float(&d)[cols / 2]) {
    const Part p = part(number);
    const int row = p.row + warp * 16;
    float *partial = a.partial + ((int64_t)(p.split * a.products + p.product) * a.rows + row) * a.cols + p.col;
    strips<cols>(d, s->strips[warp], [&](int col, float(&v)[16]) {
#pragma unroll
      for (int i = 0; i < 16; i++)
        if (row + i < a.rows && p.col + col < a.cols) partial[(int64_t)i * a.cols + col] = v[i];
    });
  };
  run<cols, true>(memory, row_tiles * col_tiles, a.steps, (int)sizeof(Stage<cols>), load, emit);
}

TG_KERNEL(hopper_weight_grad_256_bf16, tg_hopper_weight_grad, kThreads) {
  TG_DYNAMIC_SHARED(memory);
  add_up<256>(a, memory);
}
TG_KERNEL(hopper_weight_grad_128_bf16, tg_hopper_weight_grad, kThreads) {
  TG_DYNAMIC_SHARED(memory);
  add_up<128>(a, memory);
}
