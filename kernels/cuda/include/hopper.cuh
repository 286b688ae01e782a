// Hopper's own engines (sm_90a): bulk tensor copies (TMA), barriers in shared memory that count them (mbarrier) and
// products by warpgroups of 128 threads (wgmma). Each word here is one instruction or two; under the emulator the
// same words are plain C++ in emu_hopper.cuh. Kernels that include this are compiled for sm_90a alone.
//
// The layout of a tile, for all words: bfloat16, in dynamic shared memory at a multiple of 1024 bytes, as rows of 64
// elements (128 bytes) whose 16-byte pieces are swizzled (CU_TENSOR_MAP_SWIZZLE_128B). tma_load writes it so and
// descriptors read it so.
//
//	along k:  box {64 of k, rows}; row r of the tile is the operand's   wgmma_along_k(tile), next 16 of k: + 2
//	across k: box {64 rows, k};    row k has number k of 64 rows        wgmma_across_k(tile, bytes), next 16: + 128
//
// Operands of more than 64 rows that are stored across k are several tiles, `bytes` apart.
#pragma once

#include "tg.cuh"

#ifdef TG_EMU
#include "emu_hopper.cuh"
#else

__device__ inline uint32_t shared_address(const void *p) { return (uint32_t)__cvta_generic_to_shared(p); }

// mbarrier is 8 bytes of shared memory at a multiple of 8. A phase ends when `arrivals` threads have arrived and all
// bytes that they expect have come; phases have the parities 0, 1, 0 and so on.
struct mbarrier {
  uint64_t word;
};

// One thread begins the barriers and calls mbarrier_begun after the last; then the block synchronises.
__device__ inline void mbarrier_begin(mbarrier *b, int arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(b)), "r"(arrivals) : "memory");
}
__device__ inline void mbarrier_begun() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

__device__ inline void mbarrier_arrive(mbarrier *b) {
  asm volatile("mbarrier.arrive.release.cta.shared::cta.b64 _, [%0];" ::"r"(shared_address(b)) : "memory");
}

// mbarrier_expect arrives, and lets the phase wait for so many bytes of bulk copies.
__device__ inline void mbarrier_expect(mbarrier *b, int bytes) {
  asm volatile("mbarrier.arrive.expect_tx.release.cta.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(b)), "r"(bytes)
               : "memory");
}

// mbarrier_wait returns when the phase of that parity is over. On a barrier that has just begun, that of parity 1 is.
__device__ inline void mbarrier_wait(mbarrier *b, int parity) {
  uint32_t over;
  do {
    asm volatile(
        "{\n.reg .pred over;\n"
        "mbarrier.try_wait.parity.acquire.cta.shared::cta.b64 over, [%1], %2;\n"
        "selp.u32 %0, 1, 0, over;\n}"
        : "=r"(over)
        : "r"(shared_address(b)), "r"(parity)
        : "memory");
  } while (!over);
}

#define TG_TMA_LOAD(rank, at)                                                                    \
  "cp.async.bulk.tensor." rank ".shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], " \
  "[%1, " at "], [%2];"

// tma_load copies the map's box at the coordinates, innermost first, to shared memory; what lies outside the tensor
// is zero. The barrier's phase receives the bytes of the whole box. One thread calls it.
__device__ inline void tma_load(void *dst, const void *map, mbarrier *b, int x, int y) {
  asm volatile(TG_TMA_LOAD("2d", "{%3,%4}")::"r"(shared_address(dst)), "l"(map), "r"(shared_address(b)), "r"(x), "r"(y)
               : "memory");
}
__device__ inline void tma_load(void *dst, const void *map, mbarrier *b, int x, int y, int z) {
  asm volatile(TG_TMA_LOAD("3d", "{%3,%4,%5}")
               ::"r"(shared_address(dst)), "l"(map), "r"(shared_address(b)), "r"(x), "r"(y), "r"(z)
               : "memory");
}
__device__ inline void tma_load(void *dst, const void *map, mbarrier *b, int x, int y, int z, int w) {
  asm volatile(TG_TMA_LOAD("4d", "{%3,%4,%5,%6}")
               ::"r"(shared_address(dst)), "l"(map), "r"(shared_address(b)), "r"(x), "r"(y), "r"(z), "r"(w)
               : "memory");
}

// tma_store copies a box from shared memory; what lies outside the tensor is left out. The thread that calls it also
// calls tma_store_commit, and tma_store_wait before the shared memory is written again or the block ends: all but the
// newest `pending` commits have been read then. Threads that have written to that memory call async_fence, then a
// barrier.
__device__ inline void tma_store(const void *map, const void *src, int x, int y) {
  asm volatile("cp.async.bulk.tensor.2d.global.shared::cta.tile.bulk_group [%0, {%2,%3}], [%1];"
               ::"l"(map), "r"(shared_address(src)), "r"(x), "r"(y)
               : "memory");
}
__device__ inline void tma_store(const void *map, const void *src, int x, int y, int z) {
  asm volatile("cp.async.bulk.tensor.3d.global.shared::cta.tile.bulk_group [%0, {%2,%3,%4}], [%1];"
               ::"l"(map), "r"(shared_address(src)), "r"(x), "r"(y), "r"(z)
               : "memory");
}
__device__ inline void tma_store(const void *map, const void *src, int x, int y, int z, int w) {
  asm volatile("cp.async.bulk.tensor.4d.global.shared::cta.tile.bulk_group [%0, {%2,%3,%4,%5}], [%1];"
               ::"l"(map), "r"(shared_address(src)), "r"(x), "r"(y), "r"(z), "r"(w)
               : "memory");
}
__device__ inline void tma_store_commit() { asm volatile("cp.async.bulk.commit_group;" ::: "memory"); }
template <int pending>
__device__ inline void tma_store_wait() {
  asm volatile("cp.async.bulk.wait_group.read %0;" ::"n"(pending) : "memory");
}

// tma_prefetch brings a map in before its first use.
__device__ inline void tma_prefetch(const void *map) { asm volatile("prefetch.tensormap [%0];" ::"l"(map) : "memory"); }

// async_fence lets bulk copies and products see what this thread has written to shared memory.
__device__ inline void async_fence() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

// Descriptors name a tile to wgmma. Bits: address/16, distance/16 of 64-row tiles at 16, of groups of 8 tile rows at
// 32, 128-byte swizzle at 62.
__device__ inline uint64_t wgmma_across_k(const void *tile, int bytes) {
  const uint64_t address = shared_address(tile) >> 4;
  return address | (uint64_t)(bytes >> 4) << 16 | (uint64_t)(1024 >> 4) << 32 | 1ull << 62;
}
__device__ inline uint64_t wgmma_along_k(const void *tile) { return wgmma_across_k(tile, 16); }

#define TG_D0 \
  "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17," \
  "%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31"
#define TG_D1 \
  "%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47," \
  "%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63"
#define TG_D2 \
  "%64,%65,%66,%67,%68,%69,%70,%71,%72,%73,%74,%75,%76,%77,%78,%79," \
  "%80,%81,%82,%83,%84,%85,%86,%87,%88,%89,%90,%91,%92,%93,%94,%95"
#define TG_D3 \
  "%96,%97,%98,%99,%100,%101,%102,%103,%104,%105,%106,%107,%108,%109,%110,%111,%112," \
  "%113,%114,%115,%116,%117,%118,%119,%120,%121,%122,%123,%124,%125,%126,%127"
#define TG_F4(i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define TG_F16(i) TG_F4(i), TG_F4(i + 4), TG_F4(i + 8), TG_F4(i + 12)
#define TG_F32(i) TG_F16(i), TG_F16(i + 16)
#define TG_WGMMA(n, registers, a, b, p, ta, tb, ...)                                                              \
  asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %" #p ", 0;\n"                                                   \
               "wgmma.mma_async.sync.aligned.m64n" #n "k16.f32.bf16.bf16 {" registers "}, %" #a ", %" #b            \
               ", p, 1, 1, %" #ta ", %" #tb ";\n}"                                                                 \
               : __VA_ARGS__                                                                                        \
               : "l"(left), "l"(right), "r"((int)accumulate), "n"(a_across), "n"(b_across))

// wgmma begins d = a·b (+ d where accumulate) for 64 x n results over 16 of k, by the 128 threads of a warpgroup. A
// thread has row 16*warp + lane/4 (elements 4j, 4j+1) and 8 below it (4j+2, 4j+3) at the columns 8j + lane%4*2 and
// one right of it. n is 64, 128, 192 or 256; a_across and b_across say that a descriptor is wgmma_across_k's.
template <int n, bool a_across, bool b_across>
__device__ inline void wgmma(float (&d)[n / 2], uint64_t left, uint64_t right, bool accumulate) {
  static_assert(n == 64 || n == 128 || n == 192 || n == 256, "wgmma is written for these widths");
  if constexpr (n == 64) {
    TG_WGMMA(64, TG_D0, 32, 33, 34, 35, 36, TG_F32(0));
  } else if constexpr (n == 128) {
    TG_WGMMA(128, TG_D0 "," TG_D1, 64, 65, 66, 67, 68, TG_F32(0), TG_F32(32));
  } else if constexpr (n == 192) {
    TG_WGMMA(192, TG_D0 "," TG_D1 "," TG_D2, 96, 97, 98, 99, 100, TG_F32(0), TG_F32(32), TG_F32(64));
  } else {
    TG_WGMMA(256, TG_D0 "," TG_D1 "," TG_D2 "," TG_D3, 128, 129, 130, 131, 132, TG_F32(0), TG_F32(32), TG_F32(64),
             TG_F32(96));
  }
}

// wgmma_keep ends what the compiler may assume of accumulators: products change them between wgmma and wgmma_wait.
template <int count>
__device__ inline void wgmma_keep(float (&d)[count]) {
#pragma unroll
  for (int i = 0; i < count; i++) asm volatile("" : "+f"(d[i])::"memory");
}

// wgmma_fence comes before the first wgmma, and before the next one on accumulators that the thread has touched
// since.
template <int count>
__device__ inline void wgmma_fence(float (&d)[count]) {
  wgmma_keep(d);
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}
__device__ inline void wgmma_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }

// wgmma_wait returns when all but the newest `pending` commits are done: their tiles may be overwritten, and with
// pending 0 the accumulators are there.
template <int pending, int count>
__device__ inline void wgmma_wait(float (&d)[count]) {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(pending) : "memory");
  wgmma_keep(d);
}

// Registers move from the warpgroup that copies to those that multiply: all threads of a warpgroup call it.
template <int registers>
__device__ inline void give_registers() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(registers));
}
template <int registers>
__device__ inline void take_registers() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(registers));
}

// named_barrier is __syncthreads among `threads` threads, a multiple of 32; id is 1 to 15.
__device__ inline void named_barrier(int id, int threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

#endif
