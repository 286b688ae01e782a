// The way back through nearest x2 upsampling: maps [64, 56, 56, 768] to [64, 28, 28, 768]. Memory bandwidth: 24 bytes
// an element of dx.
#include "include/tg.cuh"
#include "upsample.h"

// A block takes positions of the small map, a thread channels.
TG_KERNEL(upsample_backward, tg_upsample_backward, 256) {
  const int64_t down = 2 * a.width * a.channels; // from a line of dy to the next
  for (int64_t at = blockIdx.x; at < a.lines * a.width; at += gridDim.x) {
    const float *dy = a.dy + (2 * (at / a.width) * 2 * a.width + 2 * (at % a.width)) * a.channels;
    for (int64_t c = threadIdx.x; c < a.channels; c += 256)
      a.dx[at * a.channels + c] += (dy[c] + dy[a.channels + c]) + (dy[down + c] + dy[down + a.channels + c]);
  }
}
