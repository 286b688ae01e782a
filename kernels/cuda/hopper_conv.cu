// 3x3 convolutions on Hopper's engines (hopper_tiles.cuh), forward and input gradient, plain and of upsampled maps:
// what conv3x3.cu's first kernel computes, from maps and weights that hopper_pack.cu has rounded.
//
// The rows of a tile are a box of positions, and what one tap sees of them is the same box of pixels moved by a few
// lines and columns: one bulk copy, whose zeros outside of the map are the padding. Where positions step over every
// second pixel, the map is seen as four maps of one parity each, in which they step by one.
//
// Limit: the tensor cores, where boxes fill their tiles: K = 9*768 makes 108 stages, 110000 cycles, beside which the
// epilogue is a tenth. Every tap reads its pixels from L2 again, at the rate that hopper_tiles.cuh tells.
#include "hopper_conv.h"
#include "hopper_tiles.cuh"

// Box is where a tile's positions begin, and the parity of the outputs it makes.
struct Box {
  int x, y, b, parity;
};

struct Boxes {
  int across, down, deep;

  __device__ inline Boxes(const tg_hopper_conv &a)
      : across(pieces(a.conv.w, a.box_w)), down(pieces(a.conv.h, a.box_h)), deep(pieces(a.conv.batch, a.box_b)) {}
  __device__ inline int count() const { return across * down * deep; }
  __device__ inline Box at(const tg_hopper_conv &a, int number) const {
    const int parity = number / count(), rest = number % count(), line = rest / across;
    return {rest % across * a.box_w, line % down * a.box_h, line / down * a.box_b, parity};
  }
};

// place finds the position of a tile's row, and the pixel of out that it writes: -1 for a row outside.
__device__ inline Place place(const tg_hopper_conv &a, const Box &box, int row) {
  const tg_conv &c = a.conv;
  const int up = row / a.box_w, x = box.x + row % a.box_w, y = box.y + up % a.box_h, b = box.b + up / a.box_h;
  if (up / a.box_h >= a.box_b || x >= c.w || y >= c.h || b >= c.batch) return {0, -1};
  const int line = b * c.h + y, position = line * c.w + x;
  if (c.up == 1) return {position, position};
  return {position, (line * 2 + box.parity / 2) * 2 * c.w + x * 2 + box.parity % 2};
}

template <int cols>
__device__ inline void convolve(const tg_hopper_conv &a, unsigned char *memory) {
  const tg_conv &c = a.conv;
  const Boxes boxes(a);
  const int row_tiles = boxes.count() * c.up * c.up, col_tiles = pieces(c.cols, cols);
  const int taps = c.across * c.across, chunks = pieces(c.inner, kInner);
  const auto load = [&](int number) {
    const Tile tile = tile_at(number, row_tiles, col_tiles);
    const Box box = boxes.at(a, tile.row);
    return [tile, box, chunks, taps, &a, &c](Stage<cols> &stage, mbarrier *full, int step) {
      const int tap = step / chunks, channel = step % chunks * kInner;
      const int y = c.first + box.parity / 2 + tap / c.across, x = c.first + box.parity % 2 + tap % c.across;
      const int half = c.step - 1;  // of a shift that also halves what is negative downwards
      const void *pixels = &a.pixels[(y & half) * 2 + (x & half)];
      tma_load(stage.a, pixels, full, channel, box.x + (x >> half), box.y + (y >> half), box.b);
      tma_load(stage.b, &a.weights, full, channel, tile.col * cols, box.parity * taps + tap);
    };
  };
  const float scale = tanhf(*c.gate);
  const auto emit = [&](Shared<cols> *s, int warp, int number, const float(&d)[cols / 2]) {
    const Tile tile = tile_at(number, row_tiles, col_tiles);
    const int lane = threadIdx.x % 32;
    Place(&places)[16] = s->places[warp];
    __syncwarp();  // all lanes have read those of the tile before
    if (lane < 16) places[lane] = place(a, boxes.at(a, tile.row), warp * 16 + lane);
    __syncwarp();
    strips<cols>(d, s->strips[warp], [&](int col, float(&v)[16]) {
      col += tile.col * cols;
      if (col >= c.cols) return;
      const float bias = c.bias ? c.bias[col] : 0;
      float residual[16];
#pragma unroll
      for (int i = 0; i < 16; i++)
        residual[i] = c.residual && places[i].to >= 0 ? c.residual[(int64_t)places[i].from * c.cols + col] : 0;
#pragma unroll
      for (int i = 0; i < 16; i++)
        if (places[i].to >= 0) c.out[(int64_t)places[i].to * c.cols + col] = (v[i] + bias) * scale + residual[i];
    });
  };
  const int bytes = (a.box_w * a.box_h * a.box_b + cols) * kInner * 2;
  run<cols, false>(memory, row_tiles * col_tiles, taps * chunks, bytes, load, emit);
}

TG_KERNEL(hopper_conv_256_bf16, tg_hopper_conv, kThreads) {
  TG_DYNAMIC_SHARED(memory);
  convolve<256>(a, memory);
}
TG_KERNEL(hopper_conv_128_bf16, tg_hopper_conv, kThreads) {
  TG_DYNAMIC_SHARED(memory);
  convolve<128>(a, memory);
}
