#include "patches.h"
#include "op.h"

#ifdef TG_ISA

// A task is a line of patches.
static void TG(patches_task)(void *ctx, int task, int thread) {
  (void)thread;
  const struct tg_patches *a = ctx;
  long b = task / a->grid_h, gy = task % a->grid_h, width = a->grid_w * a->patch, height = a->grid_h * a->patch;
  for (long c = 0; c < a->channels; c++)
    for (long y = 0; y < a->patch; y++) {
      float *line = a->images + ((b * a->channels + c) * height + gy * a->patch + y) * width;
      for (long gx = 0; gx < a->grid_w; gx++) {
        float *row = a->rows + ((((long)task * a->grid_w + gx) * a->channels + c) * a->patch + y) * a->patch;
        float *pixels = line + gx * a->patch;
        if (a->fold)
          memcpy(pixels, row, 4 * a->patch);
        else
          memcpy(row, pixels, 4 * a->patch);
      }
    }
}

void TG(patches)(struct tg_pool *pool, const struct tg_patches *a) {
  double floats = (double)a->batch * a->channels * a->grid_h * a->grid_w * a->patch * a->patch;
  tg_parallel(pool, a->batch * a->grid_h, floats, TG(patches_task), (void *)a);
}

#else

TG_DISPATCH(patches, struct tg_patches)

#endif
