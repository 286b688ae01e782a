// Images [64, 3, 224, 224] times masks [64, 56, 56] by nearest neighbour, floor(y*h/H) as PyTorch has it. Memory
// bandwidth.
#include "include/tg.cuh"
#include "maskimages.h"

// A block takes lines of pixels.
TG_KERNEL(mask_images, tg_mask_images, 256) {
  for (int64_t line = blockIdx.x; line < a.lines; line += gridDim.x) {
    const int64_t image = line / a.height / a.channels;
    const int y = (int)(line % a.height);
    const float *mask = a.hard + (image * a.h + (int64_t)y * a.h / a.height) * a.w;
    for (int x = threadIdx.x; x < a.width; x += 256)
      a.out[line * a.width + x] = a.images[line * a.width + x] * mask[(int64_t)x * a.w / a.width];
  }
}

// first_of is the first pixel, of n, that lies in position `at` of m.
__device__ inline int first_of(int at, int m, int n) { return (int)(((int64_t)at * n + m - 1) / m); }

// A block takes lines of mask positions and a thread a position: it adds its pixels channel by channel, line by line.
TG_KERNEL(mask_images_backward, tg_mask_images, 256) {
  for (int64_t line = blockIdx.x; line < a.lines; line += gridDim.x) {
    const int64_t image = line / a.h;
    const int top = (int)(line % a.h), first_y = first_of(top, a.h, a.height), end_y = first_of(top + 1, a.h, a.height);
    for (int left = threadIdx.x; left < a.w; left += 256) {
      const int first_x = first_of(left, a.w, a.width), end_x = first_of(left + 1, a.w, a.width);
      float sum = 0;
      for (int c = 0; c < a.channels; c++)
        for (int y = first_y; y < end_y; y++) {
          const int64_t from = ((image * a.channels + c) * a.height + y) * a.width;
          for (int x = first_x; x < end_x; x++) sum += a.dout[from + x] * a.images[from + x];
        }
      a.dhard[line * a.w + left] = sum;
    }
  }
}
