#ifndef TG_GATE_H
#define TG_GATE_H

#include "pool.h"

// tg_gate_backward computes dgate = (1 - tanh(g)^2) (<dweight, weight> + <dbias, bias>), then scales dweight and dbias by tanh(g).
struct tg_gate_backward {
  long weights, biases;
  float *dgate, *dweight, *dbias;
  const float *weight, *bias, *gate;
};
void tg_gate_backward(struct tg_pool *pool, const struct tg_gate_backward *a);

#endif
