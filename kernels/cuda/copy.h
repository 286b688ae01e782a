// Arguments of copy.cu.
#ifndef TG_COPY_H
#define TG_COPY_H

#include "args.h"

// dst [rows, cols] = src, or zeros where there is no src. Rows lie ld_dst and ld_src words apart; a word has 4 bytes.
struct tg_copy_rows {
  TG_PTR(uint32_t) dst;
  TG_PTR(const uint32_t) src;
  int64_t rows, cols, ld_dst, ld_src;
};

#endif
