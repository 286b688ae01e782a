// The gradient of a convolution's gate, and the scaling of its weight gradient: 5.3 M weights. Bound by memory
// bandwidth.
#include "gate.h"
#include "include/reduce.cuh"
#include "include/tg.cuh"

TG_KERNEL(gate_slope, tg_gate_slope, 256) {
  __shared__ double scratch[8];
  const double inner = block_total<256>(a.partial, a.partials, 1, scratch), factor = tanhf(*a.gate);
  if (threadIdx.x == 0) *a.dgate = (float)((1 - factor * factor) * inner);
}

TG_KERNEL(gate_scale, tg_gate_scale, 256) {
  const float factor = tanhf(*a.gate);
  for (int64_t i = (int64_t)blockIdx.x * 256 + threadIdx.x; i < a.n; i += (int64_t)gridDim.x * 256) a.x[i] *= factor;
}
