#include "tokens.h"
#include "blocks.h"
#include "op.h"

#ifdef TG_ISA

#include "vectors.h"

static void TG(image_tokens_task)(void *ctx, int task, int thread) {
  (void)thread;
  const struct tg_image_tokens *a = ctx;
  for (long l = 0; l < a->length; l++) {
    const float *row = l ? a->patches + (task * (a->length - 1) + l - 1) * a->width : a->class_row;
    TG(add)(a->x + (task * a->length + l) * a->width, row, a->position + l * a->width, a->width);
  }
}

void TG(image_tokens)(struct tg_pool *pool, const struct tg_image_tokens *a) {
  tg_parallel(pool, a->batch, (double)a->batch * a->length * a->width, TG(image_tokens_task), (void *)a);
}

// A task is one token's place in all images, so that sums over the batch keep its order.
static void TG(image_tokens_backward_task)(void *ctx, int task, int thread) {
  (void)thread;
  const struct tg_image_tokens_backward *a = ctx;
  for (long b = 0; b < a->batch; b++) {
    const float *dx = a->dx + (b * a->length + task) * a->width;
    float *position = a->dposition + task * a->width;
    if (a->dposition) TG(add)(position, position, dx, a->width);
    if (!task && a->dclass) TG(add)(a->dclass, a->dclass, dx, a->width);
    if (task && a->dpatches) memcpy(a->dpatches + (b * (a->length - 1) + task - 1) * a->width, dx, 4 * a->width);
  }
}

void TG(image_tokens_backward)(struct tg_pool *pool, const struct tg_image_tokens_backward *a) {
  tg_parallel(pool, a->length, (double)a->batch * a->length * a->width, TG(image_tokens_backward_task), (void *)a);
}

static void TG(embed_tokens_task)(void *ctx, int task, int thread) {
  (void)thread;
  const struct tg_embed_tokens *a = ctx;
  long per = tg_rows_per_block(a->width), end = tg_min((task + 1) * per, a->rows);
  for (long i = task * per; i < end; i++)
    TG(add)(a->x + i * a->width, a->table + a->tokens[i] * a->width, a->position + i % a->length * a->width, a->width);
}

void TG(embed_tokens)(struct tg_pool *pool, const struct tg_embed_tokens *a) {
  tg_parallel(pool, tg_blocks(a->rows, tg_rows_per_block(a->width)), (double)a->rows * a->width, TG(embed_tokens_task), (void *)a);
}

// One thread: two rows may hold the same token.
void TG(embed_tokens_backward)(struct tg_pool *pool, const struct tg_embed_tokens_backward *a) {
  (void)pool;
  for (long i = 0; i < a->rows; i++) {
    float *word = a->dtable + a->tokens[i] * a->width, *place = a->dposition + i % a->length * a->width;
    TG(add)(word, word, a->dx + i * a->width, a->width);
    TG(add)(place, place, a->dx + i * a->width, a->width);
  }
}

#else

TG_DISPATCH(image_tokens, struct tg_image_tokens)
TG_DISPATCH(image_tokens_backward, struct tg_image_tokens_backward)
TG_DISPATCH(embed_tokens, struct tg_embed_tokens)
TG_DISPATCH(embed_tokens_backward, struct tg_embed_tokens_backward)

#endif
