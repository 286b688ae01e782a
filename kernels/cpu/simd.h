// One set of names over the vectors of AVX-512, AVX2 with FMA, NEON and plain C.
//
// vf is a vector of TG_W floats, vi one of as many int32. Comparisons (a < b) give a vi of 0 and -1 for vf_select. The
// functions exp, log, tanh, erf and sigmoid are our own: a fixed sequence of correctly rounded operations on each lane, so
// a lane's result depends on its value alone: not on its neighbours, its place, nor on the instruction set. Rows whose
// length is no multiple of TG_W end with vf_load_n and vf_store_n, so their tails get the same bits as their bodies.
// Accuracy, measured in simd_test.go: exp, log and erf 1 ulp, tanh 1.3 ulp, sigmoid 2.2 ulp.
#ifndef TG_SIMD_H
#define TG_SIMD_H

#ifdef __FAST_MATH__
#error "the kernels' sums have a written order: do not compile with -ffast-math"
#endif
#ifndef __STRICT_ANSI__
#error "compile with -std=c11, where a*b + c stays two roundings"
#endif
#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#define TG_INLINE static inline __attribute__((always_inline, unused))

#if defined(TG_USE_AVX512)

#include <immintrin.h>
#define TG_W 16
typedef __m512 vf;
TG_INLINE vf vf_set1(float x) { return _mm512_set1_ps(x); }
TG_INLINE vf vf_load(const float *p) { return _mm512_loadu_ps(p); }
TG_INLINE void vf_store(float *p, vf v) { _mm512_storeu_ps(p, v); }
TG_INLINE __mmask16 tg_lanes(int n) { return (__mmask16)((1u << n) - 1); }
TG_INLINE vf vf_load_n(const float *p, int n) { return _mm512_maskz_loadu_ps(tg_lanes(n), p); }
TG_INLINE void vf_store_n(float *p, vf v, int n) { _mm512_mask_storeu_ps(p, tg_lanes(n), v); }
TG_INLINE vf vf_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
TG_INLINE vf vf_fnma(vf a, vf b, vf c) { return _mm512_fnmadd_ps(a, b, c); }
TG_INLINE vf vf_min(vf a, vf b) { return _mm512_min_ps(a, b); }
TG_INLINE vf vf_max(vf a, vf b) { return _mm512_max_ps(a, b); }
TG_INLINE vf vf_sqrt(vf a) { return _mm512_sqrt_ps(a); }

#elif defined(TG_USE_AVX2)

#include <immintrin.h>
#define TG_W 8
typedef __m256 vf;
TG_INLINE vf vf_set1(float x) { return _mm256_set1_ps(x); }
TG_INLINE vf vf_load(const float *p) { return _mm256_loadu_ps(p); }
TG_INLINE void vf_store(float *p, vf v) { _mm256_storeu_ps(p, v); }
TG_INLINE __m256i tg_lanes(int n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
TG_INLINE vf vf_load_n(const float *p, int n) { return _mm256_maskload_ps(p, tg_lanes(n)); }
TG_INLINE void vf_store_n(float *p, vf v, int n) { _mm256_maskstore_ps(p, tg_lanes(n), v); }
TG_INLINE vf vf_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
TG_INLINE vf vf_fnma(vf a, vf b, vf c) { return _mm256_fnmadd_ps(a, b, c); }
TG_INLINE vf vf_min(vf a, vf b) { return _mm256_min_ps(a, b); }
TG_INLINE vf vf_max(vf a, vf b) { return _mm256_max_ps(a, b); }
TG_INLINE vf vf_sqrt(vf a) { return _mm256_sqrt_ps(a); }

#else // NEON and plain C: vectors of four

#define TG_W 4
#if defined(TG_USE_NEON)
#include <arm_neon.h>
typedef float32x4_t vf;
TG_INLINE vf vf_set1(float x) { return vdupq_n_f32(x); }
TG_INLINE vf vf_load(const float *p) { return vld1q_f32(p); }
TG_INLINE void vf_store(float *p, vf v) { vst1q_f32(p, v); }
TG_INLINE vf vf_fma(vf a, vf b, vf c) { return vfmaq_f32(c, a, b); }
TG_INLINE vf vf_fnma(vf a, vf b, vf c) { return vfmsq_f32(c, a, b); }
TG_INLINE vf vf_min(vf a, vf b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
TG_INLINE vf vf_max(vf a, vf b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
TG_INLINE vf vf_sqrt(vf a) { return vsqrtq_f32(a); }
#else
typedef float vf __attribute__((vector_size(16)));
TG_INLINE vf vf_set1(float x) { return (vf){x, x, x, x}; }
TG_INLINE vf vf_load(const float *p) { return (vf){p[0], p[1], p[2], p[3]}; }
TG_INLINE void vf_store(float *p, vf v) { memcpy(p, &v, sizeof v); }
#define TG_EACH(f) ((vf){f(0), f(1), f(2), f(3)})
TG_INLINE vf vf_fma(vf a, vf b, vf c) {
#define TG_LANE(i) fmaf(a[i], b[i], c[i])
  return TG_EACH(TG_LANE);
#undef TG_LANE
}
TG_INLINE vf vf_fnma(vf a, vf b, vf c) { return vf_fma(-a, b, c); }
TG_INLINE vf vf_min(vf a, vf b) {
#define TG_LANE(i) (a[i] < b[i] ? a[i] : b[i])
  return TG_EACH(TG_LANE);
#undef TG_LANE
}
TG_INLINE vf vf_max(vf a, vf b) {
#define TG_LANE(i) (a[i] > b[i] ? a[i] : b[i])
  return TG_EACH(TG_LANE);
#undef TG_LANE
}
TG_INLINE vf vf_sqrt(vf a) {
#define TG_LANE(i) sqrtf(a[i])
  return TG_EACH(TG_LANE);
#undef TG_LANE
}
#endif
TG_INLINE vf vf_load_n(const float *p, int n) {
  float t[4] = {0};
  for (int i = 0; i < n; i++) t[i] = p[i];
  return vf_load(t);
}
TG_INLINE void vf_store_n(float *p, vf v, int n) {
  float t[4];
  vf_store(t, v);
  for (int i = 0; i < n; i++) p[i] = t[i];
}

#endif

// The rest is the same everywhere. vf_min and vf_max return b when either is not a number, as x86 does.
typedef int32_t vi __attribute__((vector_size(4 * TG_W)));

TG_INLINE vf vf_zero(void) { return vf_set1(0); }
TG_INLINE vi vf_bits(vf v) { return (vi)v; }
TG_INLINE vf vi_float(vi v) { return (vf)v; }
TG_INLINE vi vi_set1(int32_t x) { return vf_bits(vf_zero()) + x; }
// vi_lanes numbers the lanes.
TG_INLINE vi vi_lanes(void) {
  vi v;
  for (int i = 0; i < TG_W; i++) v[i] = i;
  return v;
}
TG_INLINE vf vf_select(vi mask, vf yes, vf no) { return vi_float((mask & vf_bits(yes)) | (~mask & vf_bits(no))); }
TG_INLINE vf vf_abs(vf a) { return vi_float(vf_bits(a) & 0x7fffffff); }
// vf_sign_of gives magnitude >= 0 the sign of sign.
TG_INLINE vf vf_sign_of(vf magnitude, vf sign) { return vi_float(vf_bits(magnitude) | (vf_bits(sign) & INT32_MIN)); }
TG_INLINE float vf_first(vf v) { return v[0]; }

// vf_sum and vf_hmax join lane i and lane i + TG_W/2, and so on down to one.
typedef float tg_four __attribute__((vector_size(16)));

TG_INLINE tg_four tg_larger(tg_four a, tg_four b) {
  typedef int32_t mask __attribute__((vector_size(16)));
  mask m = a > b;
  return (tg_four)(((mask)a & m) | ((mask)b & ~m));
}

#define TG_FOLD(name, join)                                                                       \
  TG_INLINE float name(vf v) {                                                                    \
    TG_QUARTERS(join)                                                                             \
    q = join(q, __builtin_shufflevector(q, q, 2, 3, 2, 3));                                       \
    q = join(q, __builtin_shufflevector(q, q, 1, 1, 1, 1));                                       \
    return q[0];                                                                                  \
  }
#define TG_QUARTER(i) __builtin_shufflevector(v, v, i, i + 1, i + 2, i + 3)
#if TG_W == 16
#define TG_QUARTERS(join) tg_four q = join(join(TG_QUARTER(0), TG_QUARTER(8)), join(TG_QUARTER(4), TG_QUARTER(12)));
#elif TG_W == 8
#define TG_QUARTERS(join) tg_four q = join(TG_QUARTER(0), TG_QUARTER(4));
#else
#define TG_QUARTERS(join) tg_four q = v;
#endif
#define TG_PLUS(a, b) ((a) + (b))
TG_FOLD(vf_sum, TG_PLUS)
TG_FOLD(vf_hmax, tg_larger)

// vf_exp: x = n log 2 + r with |r| <= log(2)/2, exp(r) = 1 + r + r^2 P(r), P by Remez (3e-9), times 2^n in two factors, so
// that results below the normal range are rounded once. 0 below -104, infinite above 88.73.
TG_INLINE vf vf_exp(vf x) {
  const float shift = 12582912.f; // 1.5 * 2^23: adding it rounds to a whole number
  x = vf_max(vf_set1(-105), vf_min(vf_set1(90), x));
  vf k = vf_fma(x, vf_set1(1.44269504f), vf_set1(shift));
  vi n = vf_bits(k) - 0x4b400000;
  k = k - shift;
  vf r = vf_fnma(k, vf_set1(0.693145751953125f), x);
  r = vf_fnma(k, vf_set1(1.42860682030941723e-6f), r);
  vf p = vf_set1(0x1.6a1a78p-10f);
  p = vf_fma(p, r, vf_set1(0x1.123fc6p-7f));
  p = vf_fma(p, r, vf_set1(0x1.555916p-5f));
  p = vf_fma(p, r, vf_set1(0x1.55548ap-3f));
  p = vf_fma(p, r, vf_set1(0x1.fffffcp-2f));
  p = vf_fma(p * r, r, r) + 1.f;
  vi low = n >> 1;
  return p * vi_float((low + 127) << 23) * vi_float((n - low + 127) << 23);
}

// vf_log: x = 2^e (1 + f) with 1 + f in [sqrt(1/2), sqrt 2), s = f/(2 + f): log(1 + f) = f - (f^2/2 - s (f^2/2 + R(s^2))).
// -infinite at 0, not a number below.
TG_INLINE vf vf_log(vf x) {
  vi tiny = x < FLT_MIN;
  vf y = vf_select(tiny, x * 8388608.f, x);
  vi e = ((vf_bits(y) - 0x3f3504f3) >> 23) - (tiny & 23);
  vf f = vi_float(vf_bits(y) - (((vf_bits(y) - 0x3f3504f3) >> 23) << 23)) - 1.f;
  vf n = vi_float((e + 0x4b400000)) - 12582912.f;
  vf s = f / (f + 2.f);
  vf z = s * s;
  vf r = vf_set1(0x1.e2f996p-3f);
  r = vf_fma(r, z, vf_set1(0x1.2438c4p-2f));
  r = vf_fma(r, z, vf_set1(0x1.999a7ap-2f));
  r = vf_fma(r, z, vf_set1(0x1.555554p-1f)) * z;
  vf half = f * f * 0.5f;
  vf correction = vf_fma(s, half + r, n * 1.42860682030941723e-6f);
  vf result = vf_fma(n, vf_set1(0.693145751953125f), f - (half - correction));
  result = vf_select(x == INFINITY, x, result);
  result = vf_select(x == 0.f, vf_set1(-INFINITY), result);
  return vf_select(x >= 0.f, result, vf_set1(NAN));
}

// vf_sigmoid is 1/(1 + exp(-x)).
TG_INLINE vf vf_sigmoid(vf x) { return 1.f / (vf_exp(-x) + 1.f); }

// vf_tanh is odd: x + x^3 P(x^2) below 0.625, 1 - 2/(exp(2x) + 1) above.
TG_INLINE vf vf_tanh(vf x) {
  vf t = vf_abs(x), z = x * x;
  vf p = vf_set1(-0x1.76862ap-8f);
  p = vf_fma(p, z, vf_set1(0x1.524ecp-6f));
  p = vf_fma(p, z, vf_set1(-0x1.b8431cp-5f));
  p = vf_fma(p, z, vf_set1(0x1.110760p-3f));
  p = vf_fma(p, z, vf_set1(-0x1.555534p-2f));
  p = vf_fma(p * z, x, x);
  vf large = 1.f - 2.f / (vf_exp(t + t) + 1.f);
  return vf_select(t < 0.625f, p, vf_sign_of(large, x));
}

// vf_erf is odd: x + x P(x^2) below 1, 1 - exp(-Q(x)) above, and 1 in float32 from 3.92 on.
TG_INLINE vf vf_erf(vf x) {
  vf t = vf_min(vf_set1(4), vf_abs(x)), z = x * x;
  vf p = vf_set1(0x1.496a3p-14f);
  p = vf_fma(p, z, vf_set1(-0x1.a3f7p-11f));
  p = vf_fma(p, z, vf_set1(0x1.5405b2p-8f));
  p = vf_fma(p, z, vf_set1(-0x1.b7f90ep-6f));
  p = vf_fma(p, z, vf_set1(0x1.ce2cf8p-4f));
  p = vf_fma(p, z, vf_set1(-0x1.81273ep-2f));
  p = vf_fma(p, z, vf_set1(0x1.06eba8p-3f));
  p = vf_fma(p, x, x);
  vf q = vf_set1(-0x1.896f42p-13f);
  q = vf_fma(q, t, vf_set1(0x1.83fccap-9f));
  q = vf_fma(q, t, vf_set1(-0x1.66a3bep-6f));
  q = vf_fma(q, t, vf_set1(0x1.a6c81ap-4f));
  q = vf_fma(q, t, vf_set1(0x1.46a98ap-1f));
  q = vf_fma(q, t, vf_set1(0x1.208e52p+0f));
  q = vf_fma(q, t, vf_set1(0x1.502644p-12f));
  return vf_select(t < 1.f, p, vf_sign_of(1.f - vf_exp(-q), x));
}

// The same functions of one value, bit for bit.
TG_INLINE float tg_expf(float x) { return vf_first(vf_exp(vf_set1(x))); }
TG_INLINE float tg_logf(float x) { return vf_first(vf_log(vf_set1(x))); }
TG_INLINE float tg_tanhf(float x) { return vf_first(vf_tanh(vf_set1(x))); }
TG_INLINE float tg_erff(float x) { return vf_first(vf_erf(vf_set1(x))); }
TG_INLINE float tg_sigmoidf(float x) { return vf_first(vf_sigmoid(vf_set1(x))); }

TG_INLINE double tg_double_of(int64_t bits) {
  double x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

TG_INLINE int64_t tg_bits_of(double x) {
  int64_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

// tg_exp64 is vf_exp in double precision: 1 ulp.
TG_INLINE double tg_exp64(double x) {
  if (!(x > -746)) return x <= -746 ? 0 : x;
  if (x > 710) return INFINITY;
  const double shift = 0x1.8p52;
  double k = fma(x, 0x1.71547652b82fep0, shift);
  int64_t n = tg_bits_of(k) - tg_bits_of(shift);
  k = k - shift;
  double r = fma(-k, 0x1.62e42fee00000p-1, x);
  r = fma(-k, 0x1.a39ef35793c76p-33, r);
  double p = 0x1.ad7efcdea076bp-26;
  p = fma(p, r, 0x1.28adce2bb3e0cp-22);
  p = fma(p, r, 0x1.71df262fbb003p-19);
  p = fma(p, r, 0x1.a01999ae210afp-16);
  p = fma(p, r, 0x1.a01a0129b3242p-13);
  p = fma(p, r, 0x1.6c16c1844adf2p-10);
  p = fma(p, r, 0x1.1111111127e85p-7);
  p = fma(p, r, 0x1.55555555507f1p-5);
  p = fma(p, r, 0x1.55555555554f9p-3);
  p = fma(p, r, 0x1.000000000000ap-1);
  p = fma(p * r, r, r) + 1;
  int64_t low = n >> 1;
  return p * tg_double_of((low + 1023) << 52) * tg_double_of((n - low + 1023) << 52);
}

// tg_log64 is vf_log in double precision, for normal x > 0: 1 ulp.
TG_INLINE double tg_log64(double x) {
  const int64_t root_half = 0x3fe6a09e667f3bcd;
  int64_t e = (tg_bits_of(x) - root_half) >> 52;
  double f = tg_double_of(tg_bits_of(x) - (e << 52)) - 1, n = (double)e;
  double s = f / (f + 2), z = s * s;
  double r = 0x1.2f08eb8505ef8p-3;
  r = fma(r, z, 0x1.39a165594c72dp-3);
  r = fma(r, z, 0x1.7466420a54cb3p-3);
  r = fma(r, z, 0x1.c71c51faff580p-3);
  r = fma(r, z, 0x1.2492494201a5ap-2);
  r = fma(r, z, 0x1.999999997fca4p-2);
  r = fma(r, z, 0x1.5555555555593p-1) * z;
  double half = f * f * 0.5;
  double correction = fma(s, half + r, n * 0x1.a39ef35793c76p-33);
  return fma(n, 0x1.62e42fee00000p-1, f - (half - correction));
}

#endif
