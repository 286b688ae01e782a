// Arguments of gate.cu.
#ifndef TG_GATE_H
#define TG_GATE_H

#include "args.h"

// dgate = (1 - tanh(gate)^2) * the sum of partial [partials].
struct tg_gate_slope {
  TG_PTR(float) dgate;
  TG_PTR(const double) partial;
  TG_PTR(const float) gate;
  int64_t partials;
};

// x [n] *= tanh(gate).
struct tg_gate_scale {
  TG_PTR(float) x;
  TG_PTR(const float) gate;
  int64_t n;
};

#endif
