// The vector types of CUDA, with CUDA's alignment.
#pragma once

#include <stdint.h>

#define TG_VECTORS(scalar, name, pair, quad)                                                       \
  struct name##1 { scalar x; };                                                                    \
  struct alignas(pair) name##2 { scalar x, y; };                                                   \
  struct name##3 { scalar x, y, z; };                                                              \
  struct alignas(quad) name##4 { scalar x, y, z, w; };                                             \
  inline name##2 make_##name##2(scalar x, scalar y) { return {x, y}; }                             \
  inline name##3 make_##name##3(scalar x, scalar y, scalar z) { return {x, y, z}; }                \
  inline name##4 make_##name##4(scalar x, scalar y, scalar z, scalar w) { return {x, y, z, w}; }

TG_VECTORS(signed char, char, 2, 4)
TG_VECTORS(unsigned char, uchar, 2, 4)
TG_VECTORS(short, short, 4, 8)
TG_VECTORS(unsigned short, ushort, 4, 8)
TG_VECTORS(int, int, 8, 16)
TG_VECTORS(unsigned, uint, 8, 16)
TG_VECTORS(long long, longlong, 16, 16)
TG_VECTORS(unsigned long long, ulonglong, 16, 16)
TG_VECTORS(float, float, 8, 16)
TG_VECTORS(double, double, 16, 16)
#undef TG_VECTORS

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
