// The tile machinery of everything that multiplies matrices: matmul.cu, conv3x3.cu, upconv3x3.cu and attention.cu.
//
//	global float32 --Stage--> registers --Tile::put--> shared memory --multiply--> float32 accumulators --emit--> global
//
// A block computes size x size results. Per step it brings in size x kStep numbers of each operand and multiplies them; the
// numbers of the next step are already on their way to registers meanwhile, and two buffers in turn leave one barrier a
// step. What an operand is (a matrix, the pixels seen through a convolution's window) is told by a "rows" type alone: its
// row(r, tap) gives the address of row r, or null outside, and everything else is shared.
//
// An operand runs "along" when its rows, contiguous in memory, are rows of the tile and the inner dimension lies along them:
// A stored [M, K], B stored [N, K]. Otherwise its rows are inner numbers: A stored [K, M], B stored [K, N]. Shared memory
// keeps rows as they come (each warp reads global memory in whole lines), and ldmatrix transposes where needed.
//
// Precision is a type. Bf16 rounds operands to nearest even on their way into shared memory and multiplies on tensor cores.
// F32 keeps them and uses fused multiply-adds on the very same accumulators: the verification path differs in Tile and
// multiply, nowhere else.
//
// Limit: a 128 x 128 block does 2*128*128*32 = 1.05 MFLOP a step for 32 KB of float32, 32 FLOP a byte. From an L2 that gives
// an SM about 40 bytes a cycle that is 1280 FLOP a cycle, beside 2048 of an A100's tensor cores: operands are the limit,
// so tiles are as large as registers allow.
#pragma once

#include "include/mma.cuh"
#include "include/tg.cuh"

struct Bf16 {};
struct F32 {};

// Tile is a matrix of rows x cols numbers in shared memory.
template <class Precision, int rows, int cols>
struct Tile;

// Sixteen bytes between rows put the eight rows that ldmatrix reads at a time into different banks.
template <int rows, int cols>
struct Tile<Bf16, rows, cols> {
  static constexpr int kPitch = cols / 2 + 4; // in pairs
  alignas(16) bf16x2 pairs[rows * kPitch];

  // put stores columns col and col + 1 of a row; col is even.
  __device__ inline void put(int row, int col, float first, float second) {
    pairs[row * kPitch + col / 2] = pack_bf16(first, second);
  }
  __device__ inline const bf16x2 *at(int row, int col) const { return pairs + row * kPitch + col / 2; }
};

template <int rows, int cols>
struct Tile<F32, rows, cols> {
  static constexpr int kPitch = cols + 1; // an odd distance: rows begin in different banks
  float values[rows * kPitch];

  __device__ inline void put(int row, int col, float first, float second) {
    values[row * kPitch + col] = first;
    values[row * kPitch + col + 1] = second;
  }
  __device__ inline float at(int row, int col) const { return values[row * kPitch + col]; }
};

// Acc holds a warp's results, 16*m x 8*n, as the tensor cores leave them: with group = lane/4 and pair = lane%4, a lane has
// columns 2*pair and 2*pair+1 of each 8, in row group (numbers 0 and 1) and in row group+8 (numbers 2 and 3) of each 16.
template <int m, int n>
struct Acc {
  float v[m][n][4];
};

__device__ inline int acc_row(int m, int half) { return m * 16 + half * 8 + threadIdx.x % 32 / 4; }
__device__ inline int acc_col(int n, int j) { return n * 8 + threadIdx.x % 4 * 2 + j; }

template <int m, int n>
__device__ inline void clear(Acc<m, n> &acc) {
#pragma unroll
  for (int i = 0; i < m; i++)
#pragma unroll
    for (int j = 0; j < n; j++)
#pragma unroll
      for (int k = 0; k < 4; k++) acc.v[i][j][k] = 0;
}

// multiply computes acc += A·B over the inner numbers of two tiles, for the warp whose results begin at (row, col).
// A lane's addresses for ldmatrix name four 8x8 matrices; which of them comes second and which third differs between operands
// that run along and those that do not.
template <bool a_along, bool b_along, int inner, int m, int n, int ar, int ac, int br, int bc>
__device__ inline void multiply(Acc<m, n> &acc, const Tile<Bf16, ar, ac> &a, const Tile<Bf16, br, bc> &b, int row, int col) {
  const int lane = threadIdx.x % 32, near = lane % 16, far = lane / 16 * 8;
  const int wide = lane % 8 + far, step = lane / 8 % 2 * 8;
#pragma unroll
  for (int k = 0; k < inner; k += 16) {
    bf16x2 left[m][4];
#pragma unroll
    for (int i = 0; i < m; i++) {
      if (a_along)
        ldmatrix_x4(left[i], a.at(row + i * 16 + near, k + far));
      else
        ldmatrix_x4_trans(left[i], a.at(k + wide, row + i * 16 + step));
    }
#pragma unroll
    for (int j = 0; j < n; j += 2) {
      bf16x2 both[4];
      if (b_along)
        ldmatrix_x4(both, b.at(col + j * 8 + wide, k + step));
      else
        ldmatrix_x4_trans(both, b.at(k + near, col + j * 8 + far));
      const bf16x2 first[2] = {both[0], both[1]}, second[2] = {both[2], both[3]};
#pragma unroll
      for (int i = 0; i < m; i++) {
        mma_bf16(acc.v[i][j], left[i], first);
        mma_bf16(acc.v[i][j + 1], left[i], second);
      }
    }
  }
}

template <bool a_along, bool b_along, int inner, int m, int n, int ar, int ac, int br, int bc>
__device__ inline void multiply(Acc<m, n> &acc, const Tile<F32, ar, ac> &a, const Tile<F32, br, bc> &b, int row, int col) {
#pragma unroll 4
  for (int k = 0; k < inner; k++) {
    float left[m][2], right[n][2];
#pragma unroll
    for (int i = 0; i < m; i++)
#pragma unroll
      for (int half = 0; half < 2; half++) {
        const int r = row + acc_row(i, half);
        left[i][half] = a_along ? a.at(r, k) : a.at(k, r);
      }
#pragma unroll
    for (int j = 0; j < n; j++)
#pragma unroll
      for (int h = 0; h < 2; h++) {
        const int c = col + acc_col(j, h);
        right[j][h] = b_along ? b.at(c, k) : b.at(k, c);
      }
#pragma unroll
    for (int i = 0; i < m; i++)
#pragma unroll
      for (int j = 0; j < n; j++)
#pragma unroll
        for (int e = 0; e < 4; e++) acc.v[i][j][e] += left[i][e / 2] * right[j][e % 2];
  }
}

// Dense is a stack of matrices, one a tap; rows lie ld floats apart.
struct Dense {
  const float *at;
  int rows;
  int64_t ld, stack;

  __device__ inline const float *row(int r, int tap) const { return r < rows ? at + tap * stack + r * ld : nullptr; }
};

// Window is a map [batch, height, width, channels] as a convolution sees it. Row r is a position (b, y, x) of the grid
// [batch, grid_h, grid_w]; tap number t looks at the pixel (y*step + y0 + t/across, x*step + x0 + t%across), which is zero
// outside of the map.
struct Window {
  const float *map;
  int height, width, channels;
  int rows, grid_h, grid_w;
  int step, y0, x0, across;

  __device__ inline const float *row(int r, int tap) const {
    const unsigned line = (unsigned)r / (unsigned)grid_w, image = line / (unsigned)grid_h;
    const int y = (int)(line % (unsigned)grid_h) * step + y0 + tap / across;
    const int x = (int)((unsigned)r % (unsigned)grid_w) * step + x0 + tap % across;
    if (r >= rows || y < 0 || y >= height || x < 0 || x >= width) return nullptr;
    return map + (((int64_t)image * height + y) * width + x) * channels;
  }
};

// Stage carries rows x cols numbers of an operand from global to shared memory by way of registers. Consecutive threads take
// consecutive pairs of columns; each half of a pair is a read of four bytes, since tensors begin at any float.
template <int threads, int rows, int cols>
struct Stage {
  static constexpr int kAcross = cols / 2;             // threads along a row
  static constexpr int kRowsAPass = threads / kAcross; // rows that are read at a time
  static constexpr int kPasses = rows / kRowsAPass;

  const float *at[kPasses];
  float v[kPasses][2];

  // seek finds this thread's rows, beginning at row `first` of the operand.
  template <class Rows>
  __device__ inline void seek(const Rows &operand, int first, int tap) {
#pragma unroll
    for (int i = 0; i < kPasses; i++) at[i] = operand.row(first + i * kRowsAPass + threadIdx.x / kAcross, tap);
  }

  // load reads columns from `first` on; those from `end` on are zero.
  __device__ inline void load(int first, int end) {
    const int col = first + threadIdx.x % kAcross * 2;
#pragma unroll
    for (int i = 0; i < kPasses; i++)
#pragma unroll
      for (int j = 0; j < 2; j++) v[i][j] = at[i] && col + j < end ? at[i][col + j] : 0;
  }

  template <class Precision>
  __device__ inline void put(Tile<Precision, rows, cols> &tile) const {
#pragma unroll
    for (int i = 0; i < kPasses; i++)
      tile.put(i * kRowsAPass + threadIdx.x / kAcross, threadIdx.x % kAcross * 2, v[i][0], v[i][1]);
  }
};

constexpr int kStep = 32; // inner numbers a step

// Inner is the inner dimension: `taps` times `length` numbers, in steps of kStep that never cross from one tap to the next.
struct Inner {
  int taps, length;

  __device__ inline int steps_a_tap() const { return (length + kStep - 1) / kStep; }
};

// Operand stages one operand of a product: `size` rows or columns of results by kStep inner numbers.
template <class Precision, int size, bool along>
struct Operand {
  static constexpr int kRows = along ? size : kStep, kCols = along ? kStep : size;
  Stage<2 * size, kRows, kCols> stage;

  // fetch reads the step that begins at inner number k of tap, for results from number `first` of `count` on. Rows that run
  // along stay the same within a tap: they are looked up when a tap begins.
  template <class Rows>
  __device__ inline void fetch(const Rows &operand, int first, int count, int tap, int k, int length, bool begins) {
    if (along) {
      if (begins) stage.seek(operand, first, tap);
      stage.load(k, length);
    } else {
      stage.seek(operand, k, tap);
      stage.load(first, count);
    }
  }
};

// product computes one size x size tile of A [rows, inner] · B [inner, cols] with 2*size threads, and hands each number of it
// to emit(row, col, value), neighbouring columns from neighbouring lanes. blockIdx.x counts tiles along the lines of tiles,
// because those share the rows of A; gridDim.z blocks share the steps of a tile, each taking a run of them: the caller adds
// up what they emit.
template <class Precision, int size, bool a_along, bool b_along, class A, class B, class Emit>
__device__ inline void product(const A &a, const B &b, int rows, int cols, Inner inner, Emit emit) {
  typedef Operand<Precision, size, a_along> Left;
  typedef Operand<Precision, size, b_along> Right;
  __shared__ union {
    struct {
      Tile<Precision, Left::kRows, Left::kCols> left[2];
      Tile<Precision, Right::kRows, Right::kCols> right[2];
    } in;
    float out[size / 16][16][33]; // a strip of results of each warp; 33: as in Tile
  } shared;

  const int across = (cols + size - 1) / size;
  const int row0 = blockIdx.x / across * size, col0 = blockIdx.x % across * size;
  const int warp = threadIdx.x / 32; // two warps one above the other, each with half of the rows and 32 columns
  const int warp_row = warp % 2 * (size / 2), warp_col = warp / 2 * 32;
  const int steps = inner.taps * inner.steps_a_tap();
  const int first = (int)((int64_t)steps * blockIdx.z / gridDim.z);
  const int last = (int)((int64_t)steps * (blockIdx.z + 1) / gridDim.z);

  Left left;
  Right right;
  int tap = first / inner.steps_a_tap(), k = first % inner.steps_a_tap() * kStep;
  auto fetch = [&](bool begins) {
    left.fetch(a, row0, rows, tap, k, inner.length, begins);
    right.fetch(b, col0, cols, tap, k, inner.length, begins);
  };
  Acc<size / 32, 4> acc;
  clear(acc);
  if (first < last) fetch(true);
  for (int step = first; step < last; step++) {
    left.stage.put(shared.in.left[step % 2]);
    right.stage.put(shared.in.right[step % 2]);
    __syncthreads();
    k += kStep;
    if (k >= inner.length) tap++, k = 0;
    if (step + 1 < last) fetch(k == 0);
    multiply<a_along, b_along, kStep>(acc, shared.in.left[step % 2], shared.in.right[step % 2], warp_row, warp_col);
  }
  // Results go through shared memory 16 rows at a time, so that a warp writes, and an epilogue reads, whole lines.
  __syncthreads();
  float(&strip)[16][33] = shared.out[warp];
  const int lane = threadIdx.x % 32, col = col0 + warp_col + lane;
#pragma unroll
  for (int i = 0; i < size / 32; i++) {
#pragma unroll
    for (int j = 0; j < 4; j++)
#pragma unroll
      for (int e = 0; e < 4; e++) strip[acc_row(0, e / 2)][acc_col(j, e % 2)] = acc.v[i][j][e];
    __syncwarp();
    const int first_row = row0 + warp_row + i * 16, height = rows - first_row < 16 ? rows - first_row : 16;
    for (int r = 0; r < height; r++)
      if (col < cols) emit(first_row + r, col, strip[r][lane]);
    __syncwarp();
  }
}

// sum_partials adds what the `splits` blocks of a tile emitted, `stride` floats apart, in their order.
__device__ inline float sum_partials(const float *partial, int splits, int64_t stride) {
  float sum = 0;
  for (int i = 0; i < splits; i++) sum += partial[i * stride];
  return sum;
}
