// Strided rows copied and cleared. Dense ones are the driver's: it copies at the memory's full speed, but promises less for
// rows that lie any number of words apart.
#include "include/tg.cuh"
#include "copy.h"

TG_KERNEL(copy_rows, tg_copy_rows, 256) {
  for (int64_t row = blockIdx.y; row < a.rows; row += gridDim.y)
    for (int64_t col = (int64_t)blockIdx.x * 256 + threadIdx.x; col < a.cols; col += (int64_t)gridDim.x * 256)
      a.dst[row * a.ld_dst + col] = a.src == nullptr ? 0 : a.src[row * a.ld_src + col];
}
