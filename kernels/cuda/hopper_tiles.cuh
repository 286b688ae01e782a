// The pipeline of products on Hopper's engines: hopper_gemm.cu, hopper_conv.cu and hopper_weight_grad.cu are this with
// different loads and epilogues.
//
//	packed bfloat16 --bulk copies--> ring of 4 stages --wgmma--> float32 accumulators --strips--> emit
//
// A block has three warpgroups. One thread of the first, the producer, asks the copy engine for tiles of both operands,
// up to four stages ahead. The other two, the consumers, each multiply 64 of the tile's 128 rows by its 256 (or 128)
// columns, 64 inner numbers a stage. Nobody else moves data, so the producer gives its registers to the consumers,
// whose accumulators take 128 each. Two barriers a stage keep them apart: `full` ends a phase when the bytes of both
// tiles have come, `empty` when all eight consumer warps have read them.
//
// Blocks are persistent: each computes every gridDim.x-th tile, and while the consumers write one out the producer
// already fills the ring with the next. A tile is computed whole by one block, in the order of its inner numbers: the
// number of blocks changes no bits.
//
// Copies and wgmma want bfloat16 at addresses of 16 bytes, tensors are float32 at any address: hopper_pack.cu rounds
// operands first. It also transposes, so that both run along the inner dimension and one kernel serves all layouts.
// Only the sums over positions of weight gradients take their operands as they lie, across it: an operand's tile is
// then squares of 64 positions by 64 of its rows.
//
// Limit: a 128 x 256 tile does 128*256*64 multiply-adds a stage, 1024 cycles of the tensor cores, for 48 KB from L2: 48
// bytes a cycle, of the 64 that an SM can take. With 128 columns it is 64 bytes a cycle: such tiles are for results too
// few for the wide ones.
#pragma once

#include "hopper_tiles.h"
#include "include/hopper.cuh"

constexpr int kRows = TG_HOPPER_ROWS, kInner = TG_HOPPER_INNER, kStages = TG_HOPPER_STAGES;
constexpr int kConsumers = 2, kWarps = 4 * kConsumers;  // warpgroups that multiply, and their warps
constexpr int kThreads = 128 * (1 + kConsumers);
constexpr int kSquare = 64 * kInner * 2;  // bytes of 64 rows of an operand's tile

__device__ inline int pieces(int n, int size) { return (n + size - 1) / size; }

// Results leave 16 x 32 at a time. 40 numbers between rows let the pairs that 16 lanes write lie in different banks.
typedef float Strip[16][40];

// Place is what an epilogue may remember of a row of results.
struct Place {
  int32_t from, to;
};

template <int cols>
struct Stage {
  unsigned char a[kRows * kInner * 2], b[cols * kInner * 2];
};

template <int cols>
struct Shared {
  Stage<cols> stages[kStages];
  Strip strips[kWarps];
  Place places[kWarps][16];
  mbarrier full[kStages], empty[kStages];
};

static_assert(sizeof(Shared<256>) == TG_HOPPER_SHARED_256 && sizeof(Shared<128>) == TG_HOPPER_SHARED_128,
              "the launcher asks for this memory");

// Turn is a stage and the parity of its phase, on the way round the ring.
struct Turn {
  int stage = 0, parity = 0;

  __device__ inline void next() {
    if (++stage == kStages) stage = 0, parity ^= 1;
  }
};

// Tile is a place among row_tiles x col_tiles. Tiles are counted in bands of eight columns, row by row within a band:
// the blocks that run at a time then share few rows and columns of the operands, which stay in L2.
struct Tile {
  int row, col;
};

__device__ inline Tile tile_at(int number, int row_tiles, int col_tiles) {
  constexpr int kBand = 8;
  const int band = number / (row_tiles * kBand), rest = number - band * row_tiles * kBand;
  const int left = col_tiles - band * kBand, width = left < kBand ? left : kBand;
  return {rest / width, band * kBand + rest % width};
}

// produce fills the ring: load(tile) looks a tile up once, because divisions are slow, and returns what asks for
// `bytes` bytes of one step.
template <int cols, class Load>
__device__ inline void produce(Shared<cols> *s, int tiles, int steps, int bytes, const Load &load) {
  Turn turn;
  for (int tile = (int)blockIdx.x; tile < tiles; tile += (int)gridDim.x) {
    const auto ask = load(tile);
    for (int step = 0; step < steps; step++) {
      mbarrier_wait(&s->empty[turn.stage], turn.parity ^ 1);
      mbarrier_expect(&s->full[turn.stage], bytes);
      ask(s->stages[turn.stage], &s->full[turn.stage], step);
      turn.next();
    }
  }
}

// multiply computes a consumer's 64 rows of a tile. The products of a step run while the next step is awaited: a stage
// is given back one step late. Each warp gives it back for itself, because it has waited for its own part of the
// products only.
template <bool across, int cols>
__device__ inline void multiply(float (&d)[cols / 2], Shared<cols> *s, int consumer, int steps, Turn &turn) {
  mbarrier *read = nullptr;  // tells that the step before is
  for (int step = 0; step < steps; step++) {
    mbarrier_wait(&s->full[turn.stage], turn.parity);
    const unsigned char *left = s->stages[turn.stage].a + consumer * kSquare, *right = s->stages[turn.stage].b;
    const uint64_t a = across ? wgmma_across_k(left, kSquare) : wgmma_along_k(left);
    const uint64_t b = across ? wgmma_across_k(right, kSquare) : wgmma_along_k(right);
    constexpr int kNext = across ? 128 : 2;  // from 16 inner numbers to the next
    wgmma_fence(d);
#pragma unroll
    for (int i = 0; i < kInner / 16; i++) wgmma<cols, across, across>(d, a + kNext * i, b + kNext * i, step + i > 0);
    wgmma_commit();
    wgmma_wait<1>(d);
    if (read != nullptr && threadIdx.x % 32 == 0) mbarrier_arrive(read);
    read = &s->empty[turn.stage];
    turn.next();
  }
  wgmma_wait<0>(d);
  if (threadIdx.x % 32 == 0) mbarrier_arrive(read);
}

// strips brings a warp's 16 rows of results into the order of memory: emit(col, v) gets 16 numbers of one column of the
// tile, neighbouring columns in neighbouring lanes, so that a warp reads and writes whole lines of 128 bytes.
template <int cols, class Emit>
__device__ inline void strips(const float (&d)[cols / 2], Strip &strip, const Emit &emit) {
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int first = 0; first < cols; first += 32) {
#pragma unroll
    for (int i = 0; i < 16; i += 2) {
      float2 *pair = reinterpret_cast<float2 *>(&strip[lane / 4 + i % 4 / 2 * 8][i / 4 * 8 + lane % 4 * 2]);
      *pair = make_float2(d[first / 2 + i], d[first / 2 + i + 1]);
    }
    __syncwarp();
    float v[16];
#pragma unroll
    for (int i = 0; i < 16; i++) v[i] = strip[i][lane];
    __syncwarp();
    emit(first + lane, v);
  }
}

// run computes all tiles, each over `steps` stages. Consumer warps call emit(s, warp, tile, d) with their accumulators:
// 16 rows from row 16*warp of the tile on.
template <int cols, bool across, class Load, class Emit>
__device__ inline void run(unsigned char *memory, int tiles, int steps, int bytes, const Load &load, const Emit &emit) {
  Shared<cols> *s = reinterpret_cast<Shared<cols> *>(memory);
  if (threadIdx.x == 0) {
    for (int i = 0; i < kStages; i++) {
      mbarrier_begin(&s->full[i], 1);
      mbarrier_begin(&s->empty[i], kWarps);
    }
    mbarrier_begun();
  }
  __syncthreads();
  if (threadIdx.x < 128) {
    give_registers<40>();
    if (threadIdx.x == 0) produce(s, tiles, steps, bytes, load);
  } else {
    take_registers<232>();
    const int warp = threadIdx.x / 32 - 4;
    Turn turn;
    for (int tile = (int)blockIdx.x; tile < tiles; tile += (int)gridDim.x) {
      float d[cols / 2];
      multiply<across>(d, s, warp / 4, steps, turn);
      emit(s, warp, tile, d);
    }
  }
}
