// Operands of Hopper's engines: float32 rounded to bfloat16, nearest even, at addresses that bulk copies take.
//
// Limit: memory, 6 bytes a number; a warp writes whole lines of 128 bytes and has 8 lines of reads on their way.
#include "hopper_pack.h"
#include "include/mma.cuh"

// A warp takes a row, 256 numbers at a time.
TG_KERNEL(hopper_pack, tg_hopper_pack, 256) {
  const int lane = threadIdx.x % 32;
  for (int64_t row = (int64_t)blockIdx.x * 8 + threadIdx.x / 32; row < a.rows; row += (int64_t)gridDim.x * 8) {
    const float *from = a.matrix + row * a.ld;
    uint32_t *to = a.packed + row * (a.pitch / 2);
    for (int first = lane * 2; first < a.cols; first += 256) {
      float v[4][2];
#pragma unroll
      for (int i = 0; i < 4; i++)
#pragma unroll
        for (int j = 0; j < 2; j++) v[i][j] = first + i * 64 + j < a.cols ? from[first + i * 64 + j] : 0;
#pragma unroll
      for (int i = 0; i < 4; i++)
        if (first + i * 64 < a.cols) to[first / 2 + i * 32] = pack_bf16(v[i][0], v[i][1]);
    }
  }
}

// A block turns 64 x 64 numbers round in shared memory.
TG_KERNEL(hopper_pack_turned, tg_hopper_pack, 256) {
  __shared__ float square[64][65];
  const int across = (a.cols + 63) / 64, lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const int row0 = blockIdx.x / across * 64, col0 = blockIdx.x % across * 64;
#pragma unroll
  for (int i = 0; i < 8; i++)
#pragma unroll
    for (int j = 0; j < 2; j++) {
      const int col = i * 8 + warp, row = j * 32 + lane;  // of packed; the matrix has the row beside it
      const bool inside = col0 + col < a.cols && row0 + row < a.rows;
      square[col][row] = inside ? a.matrix[(col0 + col) * a.ld + row0 + row] : 0;
    }
  __syncthreads();
#pragma unroll
  for (int i = 0; i < 8; i++) {
    const int row = i * 8 + warp, col = lane * 2;
    uint32_t *to = a.packed + (int64_t)(row0 + row) * (a.pitch / 2) + (col0 + col) / 2;
    if (row0 + row < a.rows && col0 + col < a.cols) *to = pack_bf16(square[col][row], square[col + 1][row]);
  }
}
