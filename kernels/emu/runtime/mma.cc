// Tensor-core fragments, for a whole warp at once.
#include "../include/emu_mma.cuh"

#include "runtime.h"

namespace tg {

static inline float widen(uint32_t bits) {
  float v;
  bits <<= 16;
  memcpy(&v, &bits, sizeof v);
  return v;
}

// Fragments as in the PTX manual: lane l has group l/4 and pair l%4. Products of bfloat16 are exact in float32; they are
// added to the accumulator in the order of the inner index.
void mmaBf16(void *const *lanes, Site) {
  float a[16][16], b[16][8], d[16][8];
  for (int l = 0; l < 32; l++) {
    const Mma &m = *(const Mma *)lanes[l];
    const int group = l / 4, pair = 2 * (l % 4);
    for (int half = 0; half < 2; half++) {
      const int shift = 16 * half;
      a[group][pair + half] = widen(m.a[0] >> shift & 0xffff);
      a[group + 8][pair + half] = widen(m.a[1] >> shift & 0xffff);
      a[group][pair + 8 + half] = widen(m.a[2] >> shift & 0xffff);
      a[group + 8][pair + 8 + half] = widen(m.a[3] >> shift & 0xffff);
      b[pair + half][group] = widen(m.b[0] >> shift & 0xffff);
      b[pair + 8 + half][group] = widen(m.b[1] >> shift & 0xffff);
      d[group][pair + half] = m.d[half];
      d[group + 8][pair + half] = m.d[2 + half];
    }
  }
  for (int i = 0; i < 16; i++) {
    for (int k = 0; k < 16; k++) {
      for (int j = 0; j < 8; j++) d[i][j] += a[i][k] * b[k][j];
    }
  }
  for (int l = 0; l < 32; l++) {
    const Mma &m = *(const Mma *)lanes[l];
    const int group = l / 4, pair = 2 * (l % 4);
    for (int half = 0; half < 2; half++) {
      m.d[half] = d[group][pair + half];
      m.d[2 + half] = d[group + 8][pair + half];
    }
  }
}

// rowOf checks the address that a lane gives: 16 bytes of shared memory at a multiple of 16.
static const uint16_t *rowOf(void *const *lanes, int lane, Site site) {
  const void *row = ((const Load *)lanes[lane])->row;
  if ((uintptr_t)row % 16 != 0) fail(site, "ldmatrix: lane %d's row %p is not at a multiple of 16 bytes", lane, row);
  if (!inShared(row, 16)) fail(site, "ldmatrix: lane %d's row %p is not in shared memory", lane, row);
  return (const uint16_t *)row;
}

void ldmatrix(void *const *lanes, Site site) {
  for (int matrix = 0; matrix < 4; matrix++) {
    for (int l = 0; l < 32; l++) {
      const uint16_t *row = rowOf(lanes, 8 * matrix + l / 4, site) + 2 * (l % 4);
      ((const Load *)lanes[l])->r[matrix] = row[0] | (uint32_t)row[1] << 16;
    }
  }
}

void ldmatrixTransposed(void *const *lanes, Site site) {
  for (int matrix = 0; matrix < 4; matrix++) {
    for (int l = 0; l < 32; l++) {
      const int column = l / 4, row = 8 * matrix + 2 * (l % 4);
      ((const Load *)lanes[l])->r[matrix] =
          rowOf(lanes, row, site)[column] | (uint32_t)rowOf(lanes, row + 1, site)[column] << 16;
    }
  }
}

}  // namespace tg
