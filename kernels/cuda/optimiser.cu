// Updates and digests of 28.7 M parameters. Bound by memory bandwidth: AdamW reads 16 and writes 12 bytes a parameter,
// a digest reads 4.
#include "include/reduce.cuh"
#include "include/tg.cuh"
#include "optimiser.h"

// The few scalars are float64, the vectors float32: consumer cards have little float64.
TG_KERNEL(adamw, tg_adamw, 256) {
  const double part = a.max_norm / (sqrt(*a.squared) + 1e-6);
  const float clip = part < 1 ? (float)part : 1;
  const float keep1 = (float)a.beta1, take1 = (float)(1 - a.beta1);
  const float keep2 = (float)a.beta2, take2 = (float)(1 - a.beta2);
  const float rate = (float)(a.rate / a.correction1), root = (float)(1 / sqrt(a.correction2));
  const float decay = (float)(a.rate * a.decay), epsilon = (float)a.epsilon;
  for (int64_t i = (int64_t)blockIdx.x * 256 + threadIdx.x; i < a.n; i += (int64_t)gridDim.x * 256) {
    const float g = a.g[i] * clip, p = a.p[i];
    const float m1 = keep1 * a.m1[i] + take1 * g, m2 = keep2 * a.m2[i] + take2 * g * g;
    a.m1[i] = m1;
    a.m2[i] = m2;
    // One subtraction: a small decay is not lost in 1 - decay.
    a.p[i] = p - (p * decay + m1 * rate / (sqrtf(m2) * root + epsilon));
  }
}

// The finaliser of splitmix64, as in kernels.BlockDigest.
__device__ inline uint64_t mix(uint64_t z) {
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ z >> 27) * 0x94D049BB133111EBull;
  return z ^ z >> 31;
}

// A block of threads takes one digest: elements 2i and 2i+1 are word i, a missing last element is 0. Integer sums
// commute.
TG_KERNEL(block_digests, tg_block_digests, 256) {
  __shared__ uint64_t scratch[8];
  const uint32_t *x = a.x + (int64_t)blockIdx.x * 16384;
  const int64_t left = a.n - (int64_t)blockIdx.x * 16384;
  const int n = left < 16384 ? (int)left : 16384;
  uint64_t sum = 0;
  for (int i = 2 * threadIdx.x; i < n; i += 512) {
    const uint64_t high = i + 1 < n ? x[i + 1] : 0;
    sum += mix((x[i] | high << 32) + (uint64_t)(i / 2 + 1) * 0x9E3779B97F4A7C15ull);
  }
  sum = block_sum<256>(sum, scratch);
  if (threadIdx.x == 0) a.digests[blockIdx.x] = sum;
}
