// Kernels with planted mistakes, each beside its right version: what the emulator must catch, and what it must let
// pass.
#include "include/mma.cuh"
#include "include/reduce.cuh"
#include "include/tg.cuh"
#include "faults.h"

// dst [n] = src reversed within each 256.
template <bool synchronised>
__device__ inline void reverse(const tg_faults &a) {
  __shared__ float tile[256];
  const int64_t i = (int64_t)blockIdx.x * 256 + threadIdx.x;
  tile[threadIdx.x] = a.src[i];
  if (synchronised) __syncthreads();
  a.dst[i] = tile[255 - threadIdx.x];
}

TG_KERNEL(reverse_right, tg_faults, 256) { reverse<true>(a); }
TG_KERNEL(reverse_unsynchronised, tg_faults, 256) { reverse<false>(a); }

// dst [blocks] = sums of src's 256s, twice over the same scratch: the second round may not begin to write while the
// first is still being read.
template <bool synchronised>
__device__ inline void sums(const tg_faults &a) {
  __shared__ float scratch[8];
  float total = 0;
  for (int round = 0; round < 2; round++) {
    const float v = warp_sum(a.src[(int64_t)blockIdx.x * 256 + threadIdx.x] * (round + 1));
    if (synchronised) __syncthreads();
    if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = v;
    __syncthreads();
    for (int w = 0; w < 8; w++) total += scratch[w];
  }
  if (threadIdx.x == 0) a.dst[blockIdx.x] = total;
}

TG_KERNEL(sums_right, tg_faults, 256) { sums<true>(a); }
TG_KERNEL(sums_unsynchronised, tg_faults, 256) { sums<false>(a); }

TG_KERNEL(reads_outside, tg_faults, 256) {
  const int64_t i = (int64_t)blockIdx.x * 256 + threadIdx.x;
  a.dst[i] = a.src[i + 1];
}

TG_KERNEL(writes_outside, tg_faults, 256) { a.dst[(int64_t)blockIdx.x * 256 + threadIdx.x + 64] = 1; }

TG_KERNEL(writes_outside_shared, tg_faults, 64) {
  TG_DYNAMIC_SHARED(memory);
  reinterpret_cast<float *>(memory)[threadIdx.x + 1] = 1;
  __syncthreads();
  a.dst[threadIdx.x] = reinterpret_cast<float *>(memory)[63 - threadIdx.x];
}

TG_KERNEL(some_leave, tg_faults, 128) {
  if (threadIdx.x >= 96) return;
  __syncthreads();
  a.dst[threadIdx.x] = 1;
}

TG_KERNEL(two_barriers, tg_faults, 128) {
  if (threadIdx.x < 64)
    __syncthreads();
  else
    __syncthreads();
  a.dst[threadIdx.x] = 1;
}

TG_KERNEL(divergent_shuffle, tg_faults, 64) {
  float v = a.src[threadIdx.x];
  if (threadIdx.x % 32 < 16)
    v += __shfl_xor_sync(kFullMask, v, 1);
  else
    v += __shfl_xor_sync(kFullMask, v, 2);
  a.dst[threadIdx.x] = v;
}

TG_KERNEL(missing_lanes, tg_faults, 64) {
  float v = a.src[threadIdx.x];
  if (threadIdx.x != 40) v += __shfl_xor_sync(kFullMask, v, 1);
  a.dst[threadIdx.x] = v;
}

TG_KERNEL(unwritten_shared, tg_faults, 64) {
  __shared__ float tile[64];
  if (threadIdx.x != 7) tile[threadIdx.x] = a.src[threadIdx.x];
  __syncthreads();
  a.dst[threadIdx.x] = tile[63 - threadIdx.x];
}

TG_KERNEL(copies, tg_faults, 256) {
  for (int64_t i = (int64_t)blockIdx.x * 256 + threadIdx.x; i < a.n; i += (int64_t)gridDim.x * 256) a.dst[i] = a.src[i];
}

TG_KERNEL(divides, tg_faults, 32) { a.dst[threadIdx.x] = (float)(1000 / (a.n - threadIdx.x)); }

__device__ __noinline__ float deep(const float *p, int n) {
  volatile float local[64];
  for (int i = 0; i < 64; i++) local[i] = p[0] + (float)i;
  return n <= 0 ? local[5] : deep(p, n - 1) + local[n % 64];
}

TG_KERNEL(recurses, tg_faults, 32) { a.dst[threadIdx.x] = deep(a.src, (int)a.n); }

TG_KERNEL(misaligned_rows, tg_faults, 32) {
  __shared__ __align__(16) unsigned char tile[1024];
  bf16x2 r[4];
  ldmatrix_x4(r, tile + 24 * threadIdx.x);
  a.dst[threadIdx.x] = __uint_as_float(r[0]);
}

TG_KERNEL(global_rows, tg_faults, 32) {
  bf16x2 r[4];
  ldmatrix_x4(r, a.src);
  a.dst[threadIdx.x] = __uint_as_float(r[0]);
}

// dst [16, 8] = src's first 16x16 · the 16x8 after it, through all four words of mma.cuh.
TG_KERNEL(fragments, tg_faults, 32) {
  __shared__ __align__(16) bf16x2 left[16][8], right[16][4];
  const int lane = threadIdx.x;
  for (int i = lane; i < 128; i += 32) left[i / 8][i % 8] = pack_bf16(a.src[2 * i], a.src[2 * i + 1]);
  for (int i = lane; i < 64; i += 32) right[i / 4][i % 4] = pack_bf16(a.src[256 + 2 * i], a.src[256 + 2 * i + 1]);
  __syncwarp();
  bf16x2 l[4], r[4];
  ldmatrix_x4(l, &left[lane % 16][lane / 16 * 4]);
  ldmatrix_x4_trans(r, &right[lane % 16][0]);
  const bf16x2 b[2] = {r[0], r[1]};
  float d[4] = {0, 0, 0, 0};
  mma_bf16(d, l, b);
  for (int i = 0; i < 4; i++) a.dst[(lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2] = d[i];
}

// One element past the end of a static shared array: only the AddressSanitizer build sees it.
TG_KERNEL(reads_outside_static, tg_faults, 64) {
  __shared__ float tile[64];
  tile[threadIdx.x] = a.src[threadIdx.x];
  __syncthreads();
  a.dst[threadIdx.x] = tile[threadIdx.x + a.n];
}

// Two blocks write one element, whose value then depends on which of them comes last.
TG_KERNEL(blocks_collide, tg_faults, 64) { a.dst[blockIdx.x * 63 + threadIdx.x] = a.src[threadIdx.x]; }

// A thread reads what another of its block has written to global memory.
TG_KERNEL(threads_collide, tg_faults, 64) {
  if (blockIdx.x > 0) return;
  a.dst[threadIdx.x] = a.src[threadIdx.x];
  a.dst[64 + threadIdx.x] = a.dst[63 - threadIdx.x];
}
