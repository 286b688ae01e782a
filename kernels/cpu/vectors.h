// Arithmetic on rows of floats.
#ifndef TG_VECTORS_H
#define TG_VECTORS_H

#include "each.h"
#include "op.h"
#include "simd.h"

// TG_FLOOR is the smallest norm that a vector is divided by (tcl-spec section 2.6).
#define TG_FLOOR 1e-6f

TG_INLINE float TG(dot)(const float *x, const float *y, long n) {
  vf sum = vf_zero();
  TG_EACH_VECTOR(n, sum = vf_fma(TG_LOAD(x), TG_LOAD(y), sum););
  return vf_sum(sum);
}

TG_INLINE float TG(norm)(const float *x, long n) { return sqrtf(TG(dot)(x, x, n)); }

// inverse_norm is 1/max(|x|, TG_FLOOR).
TG_INLINE float TG(inverse_norm)(const float *x, long n) {
  float norm = TG(norm)(x, n);
  return 1 / (norm < TG_FLOOR ? TG_FLOOR : norm);
}

// axpy computes y += a*x.
TG_INLINE void TG(axpy)(float *y, float a, const float *x, long n) {
  vf factor = vf_set1(a);
  TG_EACH_VECTOR(n, TG_STORE(y, vf_fma(factor, TG_LOAD(x), TG_LOAD(y))););
}

// scaled computes y = a*x.
TG_INLINE void TG(scaled)(float *y, float a, const float *x, long n) {
  TG_EACH_VECTOR(n, TG_STORE(y, TG_LOAD(x) * a););
}

// add computes z = x + y.
TG_INLINE void TG(add)(float *z, const float *x, const float *y, long n) {
  TG_EACH_VECTOR(n, TG_STORE(z, TG_LOAD(x) + TG_LOAD(y)););
}

// unit_backward turns the gradient g of x/max(|x|, floor) into that of x, in place: (g - <hat, g> hat)/|x|, without the
// projection at the floor, where the divisor is a constant.
TG_INLINE void TG(unit_backward)(float *g, const float *x, long n) {
  float norm = TG(norm)(x, n), inverse = 1 / (norm < TG_FLOOR ? TG_FLOOR : norm);
  float along = norm <= TG_FLOOR ? 0 : TG(dot)(g, x, n) * inverse * inverse;
  vf a = vf_set1(along), s = vf_set1(inverse);
  TG_EACH_VECTOR(n, TG_STORE(g, vf_fnma(a, TG_LOAD(x), TG_LOAD(g)) * s););
}

// pad copies a plane [h, w] with its edges repeated border times on each side: to is [h + 2 border, w + 2 border].
TG_INLINE void TG(pad)(float *to, const float *from, long h, long w, long border) {
  long width = w + 2 * border;
  for (long y = -border; y < h + border; y++) {
    const float *line = from + (y < 0 ? 0 : y >= h ? h - 1 : y) * w;
    float *row = to + (y + border) * width;
    memcpy(row + border, line, 4 * w);
    for (long x = 0; x < border; x++) row[x] = line[0], row[border + w + x] = line[w - 1];
  }
}

#endif
