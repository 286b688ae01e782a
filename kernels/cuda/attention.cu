// Attention: softmax(q k^T / sqrt(width)) v for each head, and its gradients. Scores never leave the SM.
//
// A block of four warps owns 64 rows of one head, 16 a warp, and walks over the other side 64 rows at a time:
//
//	attention_forward    own queries, walk keys:    s = q k^T, p = exp(s - max so far), out = out shrunk + p v
//	attention_dq         own queries, walk keys:    s again, p = exp(s - lse), ds = p (dout v^T - delta), dq += ds k
//	attention_dkdv       own keys, walk queries:    the same turned round, dv += p^T dout, dk += ds^T q
//
// with delta = <dout, out> of a row. Each result has one owner who adds in the order of the walk: no atomics, for the price of
// making s and dout v^T twice in the backward (seven products instead of five). All products are gemm.cuh's multiply on
// 64 x 64 tiles; p and ds go through shared memory, where each warp reads only the 16 rows that it wrote itself.
//
// Limit: a head of L = 197, d = 64 is 9.9 MFLOP over 200 KB of q, k, v and out, 49 FLOP a byte: from L2, both are near
// their limit; the exponentials, 16 a cycle and SM, take half as long as the products at 2048 FLOP a cycle.
#include "attention.h"
#include "gemm.cuh"
#include "include/reduce.cuh"

constexpr int kRows = 64, kThreads = 128;

template <class Precision>
using Square = Tile<Precision, kRows, kRows>;
static_assert(sizeof(Square<Bf16>) == TG_ATTENTION_TILE_BF16, "the launcher asks for as much shared memory as is used");
static_assert(sizeof(Square<F32>) == TG_ATTENTION_TILE_F32, "the launcher asks for as much shared memory as is used");

typedef Acc<1, kRows / 8> Strip; // a warp's 16 rows x 64

// Side is the rows of one operand that belong to one head of one batch entry.
template <class Float>
struct Side {
  Float *at;
  int64_t ld;
  int rows, width;

  // from puts 64 rows, beginning at `first`, into a tile; what lies outside is zero.
  template <class Precision>
  __device__ inline void to(Square<Precision> &tile, int first) const {
    Stage<kThreads, kRows, kRows> stage;
    stage.seek(Dense{at, rows, ld, 0}, first, 0);
    stage.load(0, width);
    stage.put(tile);
  }

  // store writes a warp's strip, times scale[half], to the rows that begin at `first`.
  __device__ inline void store(const Strip &strip, int first, float upper, float lower) const {
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const int row = first + acc_row(0, half);
      if (row >= rows) continue;
#pragma unroll
      for (int n = 0; n < kRows / 8; n++)
#pragma unroll
        for (int e = 0; e < 2; e++)
          if (acc_col(n, e) < width) at[row * ld + acc_col(n, e)] = strip.v[0][n][half * 2 + e] * (half ? lower : upper);
    }
  }
};

// Block tells which head a block works on and where its own rows begin.
struct Block {
  int head, first; // head = entry*heads + number

  __device__ inline Block(int rows) {
    const int blocks = (rows + kRows - 1) / kRows;
    head = blockIdx.x / blocks;
    first = blockIdx.x % blocks * kRows;
  }

  template <class Float>
  __device__ inline Side<Float> side(const tg_attention &a, Float *at, int64_t ld, int rows) const {
    return {at + (int64_t)(head / a.heads) * rows * ld + head % a.heads * a.width, ld, rows, a.width};
  }
};

__device__ inline bool sees(const tg_attention &a, int query, int key) {
  return query < a.queries && key < (a.causal ? query + 1 : a.keys);
}

__device__ inline int first_row_of_warp() { return threadIdx.x / 32 * 16; }

// put_strip writes a warp's strip to its own rows of a tile, after all its lanes have read what was there.
template <class Precision>
__device__ inline void put_strip(Square<Precision> &tile, const Strip &strip) {
  __syncwarp();
#pragma unroll
  for (int half = 0; half < 2; half++)
#pragma unroll
    for (int n = 0; n < kRows / 8; n++)
      tile.put(first_row_of_warp() + acc_row(0, half), acc_col(n, 0), strip.v[0][n][half * 2], strip.v[0][n][half * 2 + 1]);
  __syncwarp();
}

// A row of a strip lies in the four lanes of a group.
__device__ inline float row_sum(float v) {
  v += __shfl_xor_sync(kFullMask, v, 1);
  return v + __shfl_xor_sync(kFullMask, v, 2);
}

__device__ inline float row_max(float v) {
  v = fmaxf(v, __shfl_xor_sync(kFullMask, v, 1));
  return fmaxf(v, __shfl_xor_sync(kFullMask, v, 2));
}

template <class Precision>
__device__ inline void attention(const tg_attention &a, Square<Precision> *tiles) {
  Square<Precision> &q = tiles[0], &k = tiles[1], &v = tiles[2], &p = tiles[3];
  const Block block(a.queries);
  const auto keys = block.side(a, a.k, a.ld_k, a.keys), values = block.side(a, a.v, a.ld_v, a.keys);
  const int warp_row = first_row_of_warp(), end = a.causal && block.first + kRows < a.keys ? block.first + kRows : a.keys;
  const float scale = 1 / sqrtf((float)a.width);
  block.side(a, a.q, a.ld_q, a.queries).to(q, block.first);

  Strip out;
  clear(out);
  float most[2] = {-INFINITY, -INFINITY}, sum[2] = {0, 0}; // of the scores so far; each lane sums its own columns
  for (int walk = 0; walk < end; walk += kRows) {
    keys.to(k, walk);
    values.to(v, walk);
    __syncthreads();
    Strip s;
    clear(s);
    multiply<true, true, kRows>(s, q, k, warp_row, 0);
#pragma unroll
    for (int half = 0; half < 2; half++) {
      // A row that is no query sees every key, so that its maximum is a number; its result is not stored.
      const int row = block.first + warp_row + acc_row(0, half), query = row < a.queries ? row : a.queries - 1;
      float high = most[half];
#pragma unroll
      for (int i = 0; i < kRows / 4; i++) {
        float &score = s.v[0][i / 2][half * 2 + i % 2];
        score = sees(a, query, walk + acc_col(i / 2, i % 2)) ? score * scale : -INFINITY;
        high = fmaxf(high, score);
      }
      high = row_max(high);
      const float shrink = expf(most[half] - high);
      most[half] = high;
      sum[half] *= shrink;
#pragma unroll
      for (int i = 0; i < kRows / 4; i++) {
        float &score = s.v[0][i / 2][half * 2 + i % 2];
        score = expf(score - high);
        sum[half] += score;
        out.v[0][i / 2][half * 2 + i % 2] *= shrink;
      }
    }
    put_strip(p, s);
    multiply<true, false, kRows>(out, p, v, warp_row, 0);
    __syncthreads();
  }
  const float total[2] = {row_sum(sum[0]), row_sum(sum[1])};
  block.side(a, a.out, a.ld_out, a.queries).store(out, block.first + warp_row, 1 / total[0], 1 / total[1]);
  if (a.lse && threadIdx.x % 4 == 0) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const int row = block.first + warp_row + acc_row(0, half);
      if (row < a.queries) a.lse[(int64_t)block.head * a.queries + row] = most[half] + logf(total[half]);
    }
  }
}

// delta [batch, heads, queries] = <dout, out> of each row of a head: a warp each.
TG_KERNEL(attention_delta, tg_attention, 256) {
  const int64_t n = (int64_t)blockIdx.x * 8 + threadIdx.x / 32;
  if (n >= (int64_t)a.batch * a.heads * a.queries) return;
  const int query = n % a.queries, head = (int)(n / a.queries) % a.heads;
  const int64_t row = n / a.queries / a.heads * a.queries + query;
  float sum = 0;
  for (int c = threadIdx.x % 32; c < a.width; c += 32)
    sum += a.dout[row * a.ld_dout + head * a.width + c] * a.out[row * a.ld_out + head * a.width + c];
  sum = warp_sum(sum);
  if (threadIdx.x % 32 == 0) a.delta[n] = sum;
}

template <class Precision>
__device__ inline void attention_dq(const tg_attention &a, Square<Precision> *tiles) {
  Square<Precision> &q = tiles[0], &dout = tiles[1], &k = tiles[2], &v = tiles[3], &ds = tiles[4];
  const Block block(a.queries);
  const auto keys = block.side(a, a.k, a.ld_k, a.keys), values = block.side(a, a.v, a.ld_v, a.keys);
  const int warp_row = first_row_of_warp(), end = a.causal && block.first + kRows < a.keys ? block.first + kRows : a.keys;
  const float scale = 1 / sqrtf((float)a.width);
  block.side(a, a.q, a.ld_q, a.queries).to(q, block.first);
  block.side(a, a.dout, a.ld_dout, a.queries).to(dout, block.first);

  float lse[2] = {0, 0}, delta[2] = {0, 0};
#pragma unroll
  for (int half = 0; half < 2; half++) {
    const int query = block.first + warp_row + acc_row(0, half);
    if (query >= a.queries) continue;
    lse[half] = a.lse[(int64_t)block.head * a.queries + query];
    delta[half] = a.delta[(int64_t)block.head * a.queries + query];
  }
  Strip dq;
  clear(dq);
  for (int walk = 0; walk < end; walk += kRows) {
    keys.to(k, walk);
    values.to(v, walk);
    __syncthreads();
    Strip s, dp;
    clear(s);
    clear(dp);
    multiply<true, true, kRows>(s, q, k, warp_row, 0);
    multiply<true, true, kRows>(dp, dout, v, warp_row, 0);
#pragma unroll
    for (int i = 0; i < kRows / 2; i++) {
      const int half = i / 2 % 2, query = block.first + warp_row + acc_row(0, half), key = walk + acc_col(i / 4, i % 2);
      float &score = s.v[0][i / 4][i % 4];
      score = sees(a, query, key) ? expf(score * scale - lse[half]) * (dp.v[0][i / 4][i % 4] - delta[half]) : 0;
    }
    put_strip(ds, s);
    multiply<true, false, kRows>(dq, ds, k, warp_row, 0);
    __syncthreads();
  }
  block.side(a, a.dq, a.ld_dq, a.queries).store(dq, block.first + warp_row, scale, scale);
}

template <class Precision>
__device__ inline void attention_dkdv(const tg_attention &a, Square<Precision> *tiles) {
  Square<Precision> &k = tiles[0], &v = tiles[1], &q = tiles[2], &dout = tiles[3], &p = tiles[4];
  const Block block(a.keys);
  const auto queries = block.side(a, a.q, a.ld_q, a.queries), douts = block.side(a, a.dout, a.ld_dout, a.queries);
  const float *lse = a.lse + (int64_t)block.head * a.queries, *delta = a.delta + (int64_t)block.head * a.queries;
  const int warp_row = first_row_of_warp();
  const float scale = 1 / sqrtf((float)a.width);
  block.side(a, a.k, a.ld_k, a.keys).to(k, block.first);
  block.side(a, a.v, a.ld_v, a.keys).to(v, block.first);

  Strip dk, dv;
  clear(dk);
  clear(dv);
  for (int walk = a.causal ? block.first : 0; walk < a.queries; walk += kRows) {
    queries.to(q, walk);
    douts.to(dout, walk);
    __syncthreads();
    Strip s, ds;
    clear(s);
    clear(ds);
    multiply<true, true, kRows>(s, k, q, warp_row, 0);
    multiply<true, true, kRows>(ds, v, dout, warp_row, 0);
#pragma unroll
    for (int i = 0; i < kRows / 2; i++) {
      const int key = block.first + warp_row + acc_row(0, i / 2 % 2), query = walk + acc_col(i / 4, i % 2);
      const bool seen = sees(a, query, key);
      float &score = s.v[0][i / 4][i % 4], &slope = ds.v[0][i / 4][i % 4];
      score = seen ? expf(score * scale - lse[query]) : 0;
      slope = seen ? score * (slope - delta[query]) : 0;
    }
    put_strip(p, s);
    multiply<true, false, kRows>(dv, p, dout, warp_row, 0);
    put_strip(p, ds);
    multiply<true, false, kRows>(dk, p, q, warp_row, 0);
    __syncthreads();
  }
  block.side(a, a.dk, a.ld_dk, a.keys).store(dk, block.first + warp_row, scale, scale);
  block.side(a, a.dv, a.ld_dv, a.keys).store(dv, block.first + warp_row, 1, 1);
}

#define ATTENTION(variant, precision)                               \
  TG_KERNEL(attention_forward_##variant, tg_attention, kThreads) {  \
    TG_DYNAMIC_SHARED(shared);                                      \
    attention(a, (Square<precision> *)shared);                      \
  }                                                                 \
  TG_KERNEL(attention_dq_##variant, tg_attention, kThreads) {       \
    TG_DYNAMIC_SHARED(shared);                                      \
    attention_dq(a, (Square<precision> *)shared);                   \
  }                                                                 \
  TG_KERNEL(attention_dkdv_##variant, tg_attention, kThreads) {     \
    TG_DYNAMIC_SHARED(shared);                                      \
    attention_dkdv(a, (Square<precision> *)shared);                 \
  }

ATTENTION(bf16, Bf16)
ATTENTION(f32, F32)
