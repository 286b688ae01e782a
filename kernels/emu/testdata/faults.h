// Arguments of faults.cu.
#ifndef TG_FAULTS_H
#define TG_FAULTS_H

#include "args.h"

struct tg_faults {
  TG_PTR(float) dst;
  TG_PTR(const float) src;
  int64_t n;
};

#endif
