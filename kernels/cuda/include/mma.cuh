// Tensor-core fragments of sm_80: the one place with inline PTX (hopper.cuh has that of sm_90a). Under the emulator the
// same functions are plain C++ in emu_mma.cuh.
#pragma once

#include "tg.cuh"

// bf16x2 is a pair of bfloat16, the first in the low half.
typedef uint32_t bf16x2;

#ifdef TG_EMU
#include "emu_mma.cuh"
#else

// pack_bf16 rounds two floats to nearest even.
__device__ inline bf16x2 pack_bf16(float low, float high) {
  bf16x2 r;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
  return r;
}

// mma_bf16 computes d += a·b for a 16x8 tile over 16 inner elements (mma.sync.m16n8k16, row.col). Fragments as in the PTX
// manual: with group = lane/4 and pair = lane%4, a[0] holds row group, columns 2*pair..; a[1] row group+8; a[2], a[3] the same
// rows at columns 8+2*pair..; b[0] rows 2*pair.. of column group, b[1] rows 8+2*pair..; d[0..1] row group, columns 2*pair..,
// d[2..3] row group+8.
__device__ inline void mma_bf16(float (&d)[4], const bf16x2 (&a)[4], const bf16x2 (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// ldmatrix_x4 loads four 8x8 matrices of bfloat16 from shared memory; lane i gives the address of row i%8 of matrix i/8
// (16 bytes, 16-byte aligned). ldmatrix_x4_trans transposes each.
__device__ inline void ldmatrix_x4(bf16x2 (&r)[4], const void *row) {
  const uint32_t address = (uint32_t)__cvta_generic_to_shared(row);
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address)
               : "memory");
}

__device__ inline void ldmatrix_x4_trans(bf16x2 (&r)[4], const void *row) {
  const uint32_t address = (uint32_t)__cvta_generic_to_shared(row);
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address)
               : "memory");
}

#endif
