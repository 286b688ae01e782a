// Loops over the vectors of a row, the last one masked. Within TG_EACH_VECTOR(n, body), TG_LOAD(p) and TG_STORE(p, v) work at
// the loop's place in the row p; lanes beyond the row load 0 and are not stored.
#ifndef TG_EACH_H
#define TG_EACH_H

#define TG_EACH_VECTOR(n, ...)                          \
  do {                                                  \
    long at = 0, row_length = (n);                      \
    for (; at + TG_W <= row_length; at += TG_W) {       \
      enum { whole = 1, left = TG_W };                  \
      __VA_ARGS__                                       \
    }                                                   \
    if (at < row_length) {                              \
      enum { whole = 0 };                               \
      const int left = (int)(row_length - at);          \
      __VA_ARGS__                                       \
    }                                                   \
  } while (0)
#define TG_LOAD(p) (whole ? vf_load((p) + at) : vf_load_n((p) + at, left))
#define TG_STORE(p, v)               \
  do {                               \
    if (whole)                       \
      vf_store((p) + at, v);         \
    else                             \
      vf_store_n((p) + at, v, left); \
  } while (0)
#endif
