#ifndef TG_DIGEST_H
#define TG_DIGEST_H

#include "pool.h"

// tg_block_digests computes digests [ceil(n/16384)] of the n floats of x: kernels.BlockDigest of each block.
struct tg_block_digests {
  long n;
  uint64_t *digests;
  const float *x;
};
void tg_block_digests(struct tg_pool *pool, const struct tg_block_digests *a);

#endif
