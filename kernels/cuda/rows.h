// Arguments of rows.cu.
#ifndef TG_ROWS_H
#define TG_ROWS_H

#include "args.h"

// dst [rows, cols] += src, rows ld_dst and ld_src elements apart.
struct tg_addto {
  TG_PTR(float) dst;
  TG_PTR(const float) src;
  int64_t rows, cols, ld_dst, ld_src;
};

#endif
