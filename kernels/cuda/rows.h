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

// gather_rows: dst[i] = src[index[i]]; scatter_rows: dst[index[i]] += src[i]. `limit` rows can be named.
struct tg_named_rows {
  TG_PTR(float) dst;
  TG_PTR(const float) src;
  TG_PTR(const int32_t) index;
  int64_t rows, cols, ld_dst, ld_src, limit;
};

// column_sums: partial [chunks, cols] of x [rows, cols]; add_partials: out [cols] += the chunks in order.
struct tg_column_sums {
  TG_PTR(float) out;
  TG_PTR(float) partial;
  TG_PTR(const float) x;
  int64_t rows, cols, ld, chunks;
};

#endif
