#include "digest.h"
#include "blocks.h"
#include "op.h"

#ifdef TG_ISA

enum { TG(digest_block) = 16384 };

static uint64_t TG(mix)(uint64_t z) {
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
  z = (z ^ z >> 27) * 0x94D049BB133111EBu;
  return z ^ z >> 31;
}

// The words are built from halves, not read as they lie in memory, so that byte order does not matter.
static void TG(block_digests_task)(void *ctx, int task, int thread) {
  (void)thread;
  const struct tg_block_digests *a = ctx;
  const float *x = a->x + (long)task * TG(digest_block);
  long n = tg_min(TG(digest_block), a->n - (long)task * TG(digest_block));
  const uint64_t golden = 0x9E3779B97F4A7C15u;
  uint64_t sum = 0;
  for (long i = 0; i + 1 < n; i += 2) {
    uint32_t halves[2];
    memcpy(halves, x + i, 8);
    sum += TG(mix)((halves[0] | (uint64_t)halves[1] << 32) + (uint64_t)(i / 2 + 1) * golden);
  }
  if (n % 2) {
    uint32_t last;
    memcpy(&last, x + n - 1, 4);
    sum += TG(mix)(last + (uint64_t)(n / 2 + 1) * golden);
  }
  a->digests[task] = sum;
}

void TG(block_digests)(struct tg_pool *pool, const struct tg_block_digests *a) {
  tg_parallel(pool, tg_blocks(a->n, TG(digest_block)), 2.0 * a->n, TG(block_digests_task), (void *)a);
}

#else

TG_DISPATCH(block_digests, struct tg_block_digests)

#endif
