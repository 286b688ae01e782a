// The least warp-specialised product on Hopper's engines: one warpgroup copies tiles, two multiply them, 128 x 128
// results a block. Two barriers a stage: full counts the bytes that have come, empty the warpgroups that have read
// them.
//
// It is also what the emulator is tested with: `fault` plants the mistakes that such pipelines invite.
#include "include/hopper.cuh"
#include "hoppergemm.h"

constexpr int kSize = 128, kInner = 64, kStages = 3;
constexpr int kTile = kSize * kInner * 2;  // bytes of an operand's tile
constexpr int kThreads = 384;

enum Fault { kNone, kNoWaitForFull, kNoWaitForEmpty, kReleasedBeforeRead, kReadBeforeDone, kTooManyBytes, kNotBegun };

struct Stage {
  unsigned char a[kTile], b[kTile];
};

struct Shared {
  Stage stages[kStages];
  mbarrier full[kStages], empty[kStages];
};

// load brings in one operand's 128 rows (from row on) by 64 of k.
template <bool across>
__device__ inline void load(unsigned char *dst, const void *map, mbarrier *full, int row, int k) {
  if (across) {
    tma_load(dst, map, full, row, k);
    tma_load(dst + kTile / 2, map, full, row + 64, k);
  } else {
    tma_load(dst, map, full, k, row);
  }
}

template <bool a_across, bool b_across>
__device__ inline void produce(const tg_hopper_gemm &a, Shared *s) {
  for (int step = 0; step < (a.k + kInner - 1) / kInner; step++) {
    const int stage = step % kStages, round = step / kStages % 2;
    if (a.fault != kNoWaitForEmpty) mbarrier_wait(&s->empty[stage], round ^ 1);
    mbarrier_expect(&s->full[stage], 2 * kTile + (a.fault == kTooManyBytes ? 16 : 0));
    load<a_across>(s->stages[stage].a, &a.a, &s->full[stage], (int)blockIdx.y * kSize, step * kInner);
    load<b_across>(s->stages[stage].b, &a.b, &s->full[stage], (int)blockIdx.x * kSize, step * kInner);
  }
}

template <bool a_across, bool b_across>
__device__ inline void consume(const tg_hopper_gemm &a, Shared *s, int group) {
  float d[kSize / 2];
  for (int step = 0; step < (a.k + kInner - 1) / kInner; step++) {
    const int stage = step % kStages, round = step / kStages % 2;
    if (a.fault != kNoWaitForFull) mbarrier_wait(&s->full[stage], round);
    const unsigned char *left = s->stages[stage].a + group * kTile / 2, *right = s->stages[stage].b;
    const uint64_t l = a_across ? wgmma_across_k(left, kTile / 2) : wgmma_along_k(left);
    const uint64_t r = b_across ? wgmma_across_k(right, kTile / 2) : wgmma_along_k(right);
    wgmma_fence(d);
#pragma unroll
    for (int i = 0; i < kInner / 16; i++) {
      wgmma<kSize, a_across, b_across>(d, l + i * (a_across ? 128 : 2), r + i * (b_across ? 128 : 2), step + i > 0);
    }
    wgmma_commit();
    if (a.fault == kReleasedBeforeRead && threadIdx.x % 128 == 0) mbarrier_arrive(&s->empty[stage]);
    if (a.fault != kReadBeforeDone) wgmma_wait<0>(d);
    if (a.fault != kReleasedBeforeRead && threadIdx.x % 128 == 0) mbarrier_arrive(&s->empty[stage]);
  }
  const int row = (int)blockIdx.y * kSize + group * 64 + threadIdx.x % 128 / 32 * 16 + threadIdx.x % 32 / 4;
  const int col = (int)blockIdx.x * kSize + threadIdx.x % 4 * 2;
#pragma unroll
  for (int i = 0; i < kSize / 2; i++) {
    const int at_row = row + i % 4 / 2 * 8, at_col = col + i / 4 * 8 + i % 2;
    if (at_row < a.m && at_col < a.n) a.c[(int64_t)at_row * a.n + at_col] = d[i];
  }
}

template <bool a_across, bool b_across>
__device__ inline void product(const tg_hopper_gemm &a, unsigned char *memory) {
  Shared *s = reinterpret_cast<Shared *>(memory);
  if (threadIdx.x == 0 && a.fault != kNotBegun) {
    for (int i = 0; i < kStages; i++) {
      mbarrier_begin(&s->full[i], 1);
      mbarrier_begin(&s->empty[i], 2);
    }
    mbarrier_begun();
  }
  __syncthreads();
  if (threadIdx.x < 128) {
    give_registers<40>();
    if (threadIdx.x == 0) produce<a_across, b_across>(a, s);
  } else {
    take_registers<232>();
    consume<a_across, b_across>(a, s, threadIdx.x / 128 - 1);
  }
}

TG_KERNEL(hopper_gemm_nt, tg_hopper_gemm, kThreads) {
  TG_DYNAMIC_SHARED(memory);
  product<false, false>(a, memory);
}
TG_KERNEL(hopper_gemm_tn, tg_hopper_gemm, kThreads) {
  TG_DYNAMIC_SHARED(memory);
  product<true, true>(a, memory);
}
TG_KERNEL(hopper_gemm_nn, tg_hopper_gemm, kThreads) {
  TG_DYNAMIC_SHARED(memory);
  product<false, true>(a, memory);
}
