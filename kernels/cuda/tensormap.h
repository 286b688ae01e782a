// A tensor map as part of an argument struct: what cuTensorMapEncodeTiled fills in and the copies of hopper.cuh read. The
// kernel passes its address, so it must stay in the argument struct.
#ifndef TG_TENSORMAP_H
#define TG_TENSORMAP_H

#include <stdint.h>

struct tg_tensor_map {
  __attribute__((aligned(64))) uint64_t opaque[16];
};

#endif
