// The fragments of mma.cuh in plain C++: what mma.sync.m16n8k16 and ldmatrix do to the registers of 32 lanes.
#pragma once

#include "emu.cuh"

namespace tg {

void mmaBf16(void *const *lanes, Site site);
void ldmatrix(void *const *lanes, Site site);
void ldmatrixTransposed(void *const *lanes, Site site);

inline uint32_t roundToBf16(float v) {
  uint32_t bits;
  memcpy(&bits, &v, sizeof bits);
  if (v != v) return 0x7fff;
  return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

// One lane's part of an mma: its registers.
struct Mma {
  float *d;
  const uint32_t *a, *b;
};

// One lane's part of an ldmatrix: its registers, and the row whose address it gives.
struct Load {
  uint32_t *r;
  const void *row;
};

}  // namespace tg

inline uint32_t pack_bf16(float low, float high) { return ::tg::roundToBf16(low) | ::tg::roundToBf16(high) << 16; }

inline void mma_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], TG_SITE) {
  ::tg::Mma lane = {d, a, b};
  ::tg::together("mma_bf16", &lane, ::tg::mmaBf16, site);
}

inline void ldmatrix_x4(uint32_t (&r)[4], const void *row, TG_SITE) {
  ::tg::Load lane = {r, row};
  ::tg::together("ldmatrix_x4", &lane, ::tg::ldmatrix, site);
}

inline void ldmatrix_x4_trans(uint32_t (&r)[4], const void *row, TG_SITE) {
  ::tg::Load lane = {r, row};
  ::tg::together("ldmatrix_x4_trans", &lane, ::tg::ldmatrixTransposed, site);
}
