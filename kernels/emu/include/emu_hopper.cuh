// The words of hopper.cuh in plain C++. Bulk copies happen late, in any order; products happen when their warpgroup
// waits for them, and read their tiles then: what is overwritten or read too early shows. Addresses and descriptors
// are those of the block's dynamic shared memory, with the bits and the swizzle of the hardware.
#pragma once

#include "emu.cuh"

struct mbarrier {
  uint64_t word;
};

namespace tg {

uint32_t sharedAddress(const void *p, Site site);

void mbarrierBegin(mbarrier *b, int arrivals, Site site);
void mbarrierBegun();
void mbarrierArrive(mbarrier *b, int bytes, Site site);
void mbarrierWait(mbarrier *b, int parity, Site site);

void asyncFence();

struct Box {
  int coordinates[5];
  int rank;
};
void tmaLoad(void *dst, const void *map, mbarrier *b, Box box, Site site);
void tmaStore(const void *map, const void *src, Box box, Site site);
void tmaStoreCommit();
void tmaStoreWait(int pending);

// Product is one thread's part of a wgmma.
struct Product {
  float *d;
  uint64_t a, b;
  int n;
  bool aAcross, bAcross, accumulate;
  int commit;  // the number of commits before it
  Site site;
};
void wgmma(Product p);
void wgmmaFence();
void wgmmaCommit();
void wgmmaWait(int pending, Site site);

void moveRegisters(int count, Site site);

}  // namespace tg

inline uint32_t shared_address(const void *p, TG_SITE) { return ::tg::sharedAddress(p, site); }

inline void mbarrier_begin(mbarrier *b, int arrivals, TG_SITE) { ::tg::mbarrierBegin(b, arrivals, site); }
inline void mbarrier_begun() { ::tg::mbarrierBegun(); }
inline void mbarrier_arrive(mbarrier *b, TG_SITE) { ::tg::mbarrierArrive(b, 0, site); }
inline void mbarrier_expect(mbarrier *b, int bytes, TG_SITE) { ::tg::mbarrierArrive(b, bytes, site); }
inline void mbarrier_wait(mbarrier *b, int parity, TG_SITE) { ::tg::mbarrierWait(b, parity, site); }

inline void tma_load(void *dst, const void *map, mbarrier *b, int x, int y, TG_SITE) {
  ::tg::tmaLoad(dst, map, b, {{x, y}, 2}, site);
}
inline void tma_load(void *dst, const void *map, mbarrier *b, int x, int y, int z, TG_SITE) {
  ::tg::tmaLoad(dst, map, b, {{x, y, z}, 3}, site);
}
inline void tma_load(void *dst, const void *map, mbarrier *b, int x, int y, int z, int w, TG_SITE) {
  ::tg::tmaLoad(dst, map, b, {{x, y, z, w}, 4}, site);
}
inline void tma_store(const void *map, const void *src, int x, int y, TG_SITE) {
  ::tg::tmaStore(map, src, {{x, y}, 2}, site);
}
inline void tma_store(const void *map, const void *src, int x, int y, int z, TG_SITE) {
  ::tg::tmaStore(map, src, {{x, y, z}, 3}, site);
}
inline void tma_store(const void *map, const void *src, int x, int y, int z, int w, TG_SITE) {
  ::tg::tmaStore(map, src, {{x, y, z, w}, 4}, site);
}
inline void tma_store_commit() { ::tg::tmaStoreCommit(); }
template <int pending>
inline void tma_store_wait() { ::tg::tmaStoreWait(pending); }
inline void tma_prefetch(const void *) {}
inline void async_fence() { ::tg::asyncFence(); }

inline uint64_t wgmma_across_k(const void *tile, int bytes, TG_SITE) {
  return (uint64_t)(::tg::sharedAddress(tile, site) >> 4) | (uint64_t)(bytes >> 4) << 16 | (uint64_t)(1024 >> 4) << 32 |
         1ull << 62;
}
inline uint64_t wgmma_along_k(const void *tile, TG_SITE) { return wgmma_across_k(tile, 16, site); }

template <int n, bool a_across, bool b_across>
inline void wgmma(float (&d)[n / 2], uint64_t left, uint64_t right, bool accumulate, TG_SITE) {
  static_assert(n == 64 || n == 128 || n == 192 || n == 256, "wgmma is written for these widths");
  ::tg::wgmma({d, left, right, n, a_across, b_across, accumulate, 0, site});
}
template <int count>
inline void wgmma_keep(float (&d)[count]) { asm volatile("" ::"r"(&d) : "memory"); }
template <int count>
inline void wgmma_fence(float (&)[count]) { ::tg::wgmmaFence(); }
inline void wgmma_commit() { ::tg::wgmmaCommit(); }
template <int pending, int count>
inline void wgmma_wait(float (&)[count], TG_SITE) { ::tg::wgmmaWait(pending, site); }

template <int registers>
inline void give_registers(TG_SITE) { ::tg::moveRegisters(registers, site); }
template <int registers>
inline void take_registers(TG_SITE) { ::tg::moveRegisters(registers, site); }

inline void named_barrier(int id, int threads, TG_SITE) {
  if (id < 1 || id > 15) ::tg::fail(site, "named barrier %d: want 1 to 15", id);
  ::tg::barrier(id, threads, site);
}
