#ifndef TG_UPCONV3X3_H
#define TG_UPCONV3X3_H

#include "conv3x3.h"

// The same three with nearest x2 upsampling of in and residual before the convolution; out and dout are [b, 2h, 2w, co].
void tg_upconv3x3(struct tg_pool *pool, const struct tg_conv *a);
void tg_upconv3x3_input_grad(struct tg_pool *pool, const struct tg_conv *a);
void tg_upconv3x3_weight_grad(struct tg_pool *pool, const struct tg_conv *a);

#endif
