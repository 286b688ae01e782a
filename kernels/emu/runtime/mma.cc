// Tensor-core fragments, for a whole warp at once.
#include "../include/emu_mma.cuh"

#include "races.h"

namespace tg {

static inline float widen(uint32_t bits) {
  float v;
  bits <<= 16;
  memcpy(&v, &bits, sizeof v);
  return v;
}

typedef float Row __attribute__((vector_size(32), may_alias));

// addRows computes four rows of d += a·b, whose sums stay in registers and do not wait for each other.
static inline void addRows(float (*d)[8], const float (*a)[16], const float (*b)[8]) {
  Row sums[4];
  for (int i = 0; i < 4; i++) sums[i] = *(const Row *)d[i];
  for (int k = 0; k < 16; k++) {
    for (int i = 0; i < 4; i++) sums[i] += a[i][k] * *(const Row *)b[k];
  }
  for (int i = 0; i < 4; i++) *(Row *)d[i] = sums[i];
}

// Fragments as in the PTX manual: lane l has group l/4 and pair l%4. Products of bfloat16 are exact in float32; they
// are added to the accumulator in the order of the inner index.
void mmaBf16(void *const *lanes, Site) {
  alignas(32) float a[16][16], b[16][8], d[16][8];
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
  for (int i = 0; i < 16; i += 4) addRows(&d[i], &a[i], b);
  for (int l = 0; l < 32; l++) {
    const Mma &m = *(const Mma *)lanes[l];
    const int group = l / 4, pair = 2 * (l % 4);
    for (int half = 0; half < 2; half++) {
      m.d[half] = d[group][pair + half];
      m.d[2 + half] = d[group + 8][pair + half];
    }
  }
}

// readRows reads what the lanes' addresses name, each 16 bytes of shared memory at a multiple of 16.
static void readRows(void *const *lanes, uint16_t (*rows)[8], Site site) {
  for (int l = 0; l < 32; l++) {
    const void *row = ((const Load *)lanes[l])->row;
    if ((uintptr_t)row % 16 != 0) fail(site, "ldmatrix: lane %d's row %p is not at a multiple of 16 bytes", l, row);
    if (!inShared(row, 16)) fail(site, "ldmatrix: lane %d's row %p is not in shared memory", l, row);
    noteAccess(&((Thread *)self())->warp->lanes[l], row, 16, false, {0, site});
    memcpy(rows[l], row, 16);
  }
}

void ldmatrix(void *const *lanes, Site site) {
  uint16_t rows[32][8];
  readRows(lanes, rows, site);
  for (int l = 0; l < 32; l++) {
    for (int matrix = 0; matrix < 4; matrix++) {
      const uint16_t *pair = &rows[8 * matrix + l / 4][2 * (l % 4)];
      ((const Load *)lanes[l])->r[matrix] = pair[0] | (uint32_t)pair[1] << 16;
    }
  }
}

void ldmatrixTransposed(void *const *lanes, Site site) {
  uint16_t rows[32][8];
  readRows(lanes, rows, site);
  for (int l = 0; l < 32; l++) {
    for (int matrix = 0; matrix < 4; matrix++) {
      const int column = l / 4, row = 8 * matrix + 2 * (l % 4);
      ((const Load *)lanes[l])->r[matrix] = rows[row][column] | (uint32_t)rows[row + 1][column] << 16;
    }
  }
}

}  // namespace tg
