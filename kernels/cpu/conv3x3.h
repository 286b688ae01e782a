#ifndef TG_CONV3X3_H
#define TG_CONV3X3_H

#include "pool.h"

// The 3x3 convolutions of kernels.Decoder on maps NHWC; weight is [co, ci, 3, 3]. h and w are in's: upconv3x3's large maps
// have 2h and 2w. Forward uses in, weight, bias, gate, residual and out; the input gradient dout, weight, gate and din; the
// weight gradient in, dout, dweight and dbias.
struct tg_conv {
  long b, h, w, ci, co;
  const float *in, *weight, *bias, *gate, *residual, *dout;
  float *out, *din, *dweight, *dbias;
};

void tg_conv3x3(struct tg_pool *pool, const struct tg_conv *a);
void tg_conv3x3_input_grad(struct tg_pool *pool, const struct tg_conv *a);
void tg_conv3x3_weight_grad(struct tg_pool *pool, const struct tg_conv *a);

#endif
