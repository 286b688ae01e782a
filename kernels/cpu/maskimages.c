#include "maskimages.h"
#include "op.h"

#ifdef TG_ISA

static void TG(mask_images_task)(void *ctx, int task, int thread) {
  (void)thread;
  const struct tg_mask_images *a = ctx;
  for (long y = 0; y < a->height; y++) {
    const float *mask = a->hard + (task / a->channels * a->h + y * a->h / a->height) * a->w;
    const float *from = a->images + (task * a->height + y) * a->width;
    float *to = a->out + (task * a->height + y) * a->width;
    for (long x = 0; x < a->width; x++) to[x] = from[x] * mask[x * a->w / a->width];
  }
}

void TG(mask_images)(struct tg_pool *pool, const struct tg_mask_images *a) {
  double pixels = (double)a->batch * a->channels * a->height * a->width;
  tg_parallel(pool, a->batch * a->channels, 10 * pixels, TG(mask_images_task), (void *)a);
}

// A task is a line of mask positions: the lines of the image that lie in it, channel by channel.
static void TG(mask_images_backward_task)(void *ctx, int task, int thread) {
  (void)thread;
  const struct tg_mask_images *a = ctx;
  long b = task / a->h, line = task % a->h;
  long first = (line * a->height + a->h - 1) / a->h, end = ((line + 1) * a->height + a->h - 1) / a->h;
  float *sum = a->dhard + (long)task * a->w;
  memset(sum, 0, 4 * a->w);
  for (long c = 0; c < a->channels; c++)
    for (long y = first; y < end; y++) {
      long at = ((b * a->channels + c) * a->height + y) * a->width;
      for (long x = 0; x < a->width; x++) sum[x * a->w / a->width] += a->dout[at + x] * a->images[at + x];
    }
}

void TG(mask_images_backward)(struct tg_pool *pool, const struct tg_mask_images *a) {
  double pixels = (double)a->batch * a->channels * a->height * a->width;
  tg_parallel(pool, a->batch * a->h, 10 * pixels, TG(mask_images_backward_task), (void *)a);
}

#else

TG_DISPATCH(mask_images, struct tg_mask_images)
TG_DISPATCH(mask_images_backward, struct tg_mask_images)

#endif
