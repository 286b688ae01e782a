// Long inner products in float64: the gradient's squared norm over 28.7 M elements. Bound by memory bandwidth, 4 or 8
// bytes an element; a double addition an element is little enough for data-centre cards.
#include "include/reduce.cuh"
#include "include/tg.cuh"
#include "innerproduct.h"

// A block of threads takes one block of 65536 elements, whatever the card.
TG_KERNEL(inner_product, tg_inner_product, 256) {
  __shared__ double scratch[8];
  const int64_t first = (int64_t)blockIdx.x * 65536, end = first + 65536 < a.n ? first + 65536 : a.n;
  double sum = 0;
  for (int64_t i = first + threadIdx.x; i < end; i += 256) sum += (double)a.x[i] * a.y[i];
  sum = block_sum<256>(sum, scratch);
  if (threadIdx.x == 0) a.partial[blockIdx.x] = sum;
}

TG_KERNEL(total, tg_total, 256) {
  __shared__ double scratch[8];
  const double sum = block_total<256>(a.partial, a.n, 1, scratch);
  if (threadIdx.x == 0) *a.sum = sum;
}
