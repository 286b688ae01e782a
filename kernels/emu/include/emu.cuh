// The CUDA dialect of kernels/cuda/include/tg.cuh as C++17 for an ordinary compiler. Every CUDA thread is a fiber of
// the emulator's runtime (../runtime); a word that waits for other threads (__syncthreads, a shuffle) is a call into
// it, and everything else is plain C++ here. build.sh includes this file before each .cu, which it then puts into an
// anonymous namespace, so that two files may use one name as they may under nvcc.
#pragma once

#include <float.h>
#include <limits.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "emu_types.cuh"

#define __global__
#define __device__
#define __host__
#define __constant__ static
#define __grid_constant__
#define __launch_bounds__(...)
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __align__(n) __attribute__((aligned(n)))

// Static shared memory: one copy a host thread, because a host thread runs one block at a time. AddressSanitizer puts
// red zones around statics but not around thread locals, so its build has one host thread.
#ifdef TG_EMU_ASAN
#define __shared__ static
#else
#define __shared__ static thread_local
#endif

// Where a word of the dialect stands in the kernel's source: the last parameter of everything that may wait or fail.
#define TG_SITE ::tg::Site site = ::tg::here()

namespace tg {

struct Site {
  const char *file;
  int line;
};

constexpr Site here(const char *file = __builtin_FILE(), int line = __builtin_LINE()) { return {file, line}; }

// Place is what a thread sees of itself. The runtime's own thread begins with it.
struct Place {
  uint3 thread;
  const struct Launch *launch;
  const uint3 *block;
};

struct Launch {
  dim3 grid, block;
};

// A fiber's stack is one slot of 64 KiB, at a multiple of that. The line at its top points to the thread that runs on
// it; which line of the last page that is changes from slot to slot, or all of them would compete for the same lines
// of the cache. So the running thread is found from the stack pointer alone.
constexpr uintptr_t kSlot = 64 << 10;

inline uintptr_t header(uintptr_t inSlot) { return (inSlot | (kSlot - 1)) + 1 - 64 - (inSlot / kSlot % 32) * 64; }

inline Place *self() {
  uintptr_t sp;
#if defined(__x86_64__)
  asm("mov %%rsp, %0" : "=r"(sp));
#else
  asm("mov %0, sp" : "=r"(sp));
#endif
  return *reinterpret_cast<Place *const *>(header(sp));
}

typedef void (*Body)(const void *arguments);

// Registration puts a kernel into the table that cuModuleGetFunction reads.
struct Registration {
  Registration(const char *name, Body body, int threads, size_t bytes, const char *file);
};

unsigned char *dynamicShared();

[[noreturn]] void fail(Site site, const char *format, ...) __attribute__((format(printf, 2, 3)));

// meet waits until all 32 lanes are here, and returns the 32 values they brought.
const uint64_t *meet(const char *what, unsigned mask, uint64_t bits, Site site);

void syncWarp(unsigned mask, Site site);

// together waits until all 32 lanes are here; the last to come runs work over the operands of all, in the order of
// lanes.
void together(const char *what, void *operand, void (*work)(void *const *operands, Site site), Site site);

// barrier waits for `threads` threads at named barrier id; 0 threads are the whole block.
void barrier(int id, int threads, Site site);

template <typename T>
uint64_t toBits(T v) {
  static_assert(sizeof(T) <= 8, "a lane exchanges at most 8 bytes");
  uint64_t bits = 0;
  memcpy(&bits, &v, sizeof v);
  return bits;
}

template <typename T>
T fromBits(uint64_t bits) {
  T v;
  memcpy(&v, &bits, sizeof v);
  return v;
}

}  // namespace tg

#define TG_KERNEL(name, args, threads)                                                                            \
  static void tg_body_##name(const struct args a);                                                                \
  static void tg_enter_##name(const void *p) { tg_body_##name(*static_cast<const struct args *>(p)); }            \
  static const ::tg::Registration tg_kernel_##name(#name, tg_enter_##name, threads, sizeof(struct args), __FILE__); \
  static void tg_body_##name(const struct args a)

#define TG_DYNAMIC_SHARED(name) unsigned char *const name = ::tg::dynamicShared()

#define threadIdx (::tg::self()->thread)
#define blockIdx (*::tg::self()->block)
#define blockDim (::tg::self()->launch->block)
#define gridDim (::tg::self()->launch->grid)
constexpr int warpSize = 32;

// Rendezvous.

inline void __syncthreads(TG_SITE) { ::tg::barrier(0, 0, site); }
inline void __syncwarp(unsigned mask = 0xffffffffu, TG_SITE) { ::tg::syncWarp(mask, site); }

inline unsigned tg_lane() { return ::tg::self()->thread.x % 32; }

template <typename T>
inline T __shfl_sync(unsigned mask, T v, int source, int width = 32, TG_SITE) {
  const uint64_t *all = ::tg::meet("__shfl_sync", mask, ::tg::toBits(v), site);
  const int lane = tg_lane();
  return ::tg::fromBits<T>(all[(lane & ~(width - 1)) | (source & (width - 1))]);
}

template <typename T>
inline T __shfl_xor_sync(unsigned mask, T v, int bits, int width = 32, TG_SITE) {
  const uint64_t *all = ::tg::meet("__shfl_xor_sync", mask, ::tg::toBits(v), site);
  const int lane = tg_lane(), source = lane ^ bits;
  return ::tg::fromBits<T>(all[(source & ~(width - 1)) > (lane & ~(width - 1)) ? lane : source & 31]);
}

template <typename T>
inline T __shfl_up_sync(unsigned mask, T v, unsigned delta, int width = 32, TG_SITE) {
  const uint64_t *all = ::tg::meet("__shfl_up_sync", mask, ::tg::toBits(v), site);
  const int lane = tg_lane();
  return ::tg::fromBits<T>(all[(lane & (width - 1)) < (int)delta ? lane : lane - (int)delta]);
}

template <typename T>
inline T __shfl_down_sync(unsigned mask, T v, unsigned delta, int width = 32, TG_SITE) {
  const uint64_t *all = ::tg::meet("__shfl_down_sync", mask, ::tg::toBits(v), site);
  const int lane = tg_lane();
  return ::tg::fromBits<T>(all[(lane & (width - 1)) + (int)delta >= width ? lane : lane + (int)delta]);
}

inline unsigned __ballot_sync(unsigned mask, int predicate, TG_SITE) {
  const uint64_t *all = ::tg::meet("__ballot_sync", mask, predicate != 0, site);
  unsigned votes = 0;
  for (int lane = 0; lane < 32; lane++) votes |= (unsigned)all[lane] << lane;
  return votes;
}

inline int __any_sync(unsigned mask, int predicate, TG_SITE) { return __ballot_sync(mask, predicate, site) != 0; }
inline int __all_sync(unsigned mask, int predicate, TG_SITE) { return __ballot_sync(mask, predicate, site) == ~0u; }

inline void __threadfence() {}
inline void __threadfence_block() {}
inline void __nanosleep(unsigned) {}
inline void __trap(TG_SITE) { ::tg::fail(site, "__trap"); }

// Memory.

template <typename T>
inline T __ldg(const T *p) { return *p; }
template <typename T>
inline T __ldcg(const T *p) { return *p; }
template <typename T>
inline T __ldcs(const T *p) { return *p; }
template <typename T>
inline void __stcs(T *p, T v) { *p = v; }
template <typename T>
inline void __stcg(T *p, T v) { *p = v; }

// Atomics are on integers only, as in the dialect: a float one would make the sum's order a matter of luck. The type
// of the second operand is not deduced, so that atomicAdd(&count, 1) works for an unsigned count.
template <typename T>
struct tg_integer {
  static_assert(std::is_integral<T>::value, "atomics are on integers only");
  typedef T type;
};

template <typename T>
inline T atomicAdd(T *p, typename tg_integer<T>::type v) { return __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST); }
template <typename T>
inline T atomicSub(T *p, typename tg_integer<T>::type v) { return __atomic_fetch_sub(p, v, __ATOMIC_SEQ_CST); }
template <typename T>
inline T atomicOr(T *p, typename tg_integer<T>::type v) { return __atomic_fetch_or(p, v, __ATOMIC_SEQ_CST); }
template <typename T>
inline T atomicAnd(T *p, typename tg_integer<T>::type v) { return __atomic_fetch_and(p, v, __ATOMIC_SEQ_CST); }
template <typename T>
inline T atomicXor(T *p, typename tg_integer<T>::type v) { return __atomic_fetch_xor(p, v, __ATOMIC_SEQ_CST); }
template <typename T>
inline T atomicExch(T *p, typename tg_integer<T>::type v) { return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST); }
template <typename T>
inline T atomicCAS(T *p, typename tg_integer<T>::type expected, typename tg_integer<T>::type v) {
  __atomic_compare_exchange_n(p, &expected, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
  return expected;
}
template <typename T>
inline T atomicMax(T *p, typename tg_integer<T>::type v) {
  T old = *p;
  while (old < v && !__atomic_compare_exchange_n(p, &old, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
  }
  return old;
}
template <typename T>
inline T atomicMin(T *p, typename tg_integer<T>::type v) {
  T old = *p;
  while (v < old && !__atomic_compare_exchange_n(p, &old, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
  }
  return old;
}

// Numbers.

using std::max;
using std::min;
using std::isfinite;
using std::isinf;
using std::isnan;
inline int64_t max(int64_t a, int b) { return a > b ? a : b; }
inline int64_t max(int a, int64_t b) { return a > b ? a : b; }
inline int64_t min(int64_t a, int b) { return a < b ? a : b; }
inline int64_t min(int a, int64_t b) { return a < b ? a : b; }
inline unsigned max(unsigned a, int b) { return a > (unsigned)b ? a : (unsigned)b; }
inline unsigned max(int a, unsigned b) { return max(b, a); }
inline unsigned min(unsigned a, int b) { return a < (unsigned)b ? a : (unsigned)b; }
inline unsigned min(int a, unsigned b) { return min(b, a); }
inline float max(float a, float b) { return fmaxf(a, b); }
inline float min(float a, float b) { return fminf(a, b); }
inline double max(double a, double b) { return fmax(a, b); }
inline double min(double a, double b) { return fmin(a, b); }

inline unsigned __float_as_uint(float v) { return ::tg::fromBits<unsigned>(::tg::toBits(v)); }
inline int __float_as_int(float v) { return ::tg::fromBits<int>(::tg::toBits(v)); }
inline float __uint_as_float(unsigned v) { return ::tg::fromBits<float>(v); }
inline float __int_as_float(int v) { return ::tg::fromBits<float>((unsigned)v); }
inline long long __double_as_longlong(double v) { return (long long)::tg::toBits(v); }
inline double __longlong_as_double(long long v) { return ::tg::fromBits<double>((uint64_t)v); }
inline int __double2hiint(double v) { return (int)(::tg::toBits(v) >> 32); }
inline int __double2loint(double v) { return (int)::tg::toBits(v); }

inline float rsqrtf(float v) { return 1.0f / sqrtf(v); }
inline double rsqrt(double v) { return 1.0 / sqrt(v); }
inline float __expf(float v) { return expf(v); }
inline float __exp10f(float v) { return powf(10.0f, v); }
inline float __logf(float v) { return logf(v); }
inline float __log2f(float v) { return log2f(v); }
inline float __sinf(float v) { return sinf(v); }
inline float __cosf(float v) { return cosf(v); }
inline float __tanhf(float v) { return tanhf(v); }
inline float __powf(float a, float b) { return powf(a, b); }
inline float __fdividef(float a, float b) { return a / b; }
inline float __saturatef(float v) { return v > 0 ? (v < 1 ? v : 1.0f) : 0.0f; }
inline float __frcp_rn(float v) { return 1.0f / v; }
inline float __fsqrt_rn(float v) { return sqrtf(v); }
inline float __frsqrt_rn(float v) { return (float)(1.0 / sqrt((double)v)); }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dsub_rn(double a, double b) { return a - b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __ddiv_rn(double a, double b) { return a / b; }
inline double __dsqrt_rn(double v) { return sqrt(v); }
inline double __fma_rn(double a, double b, double c) { return fma(a, b, c); }

inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)(((uint64_t)a * b) >> 32); }
inline int __mulhi(int a, int b) { return (int)(((int64_t)a * b) >> 32); }
inline uint64_t __umul64hi(uint64_t a, uint64_t b) { return (uint64_t)(((unsigned __int128)a * b) >> 64); }
inline int __popc(unsigned v) { return __builtin_popcount(v); }
inline int __popcll(uint64_t v) { return __builtin_popcountll(v); }
inline int __clz(int v) { return v == 0 ? 32 : __builtin_clz((unsigned)v); }
inline int __clzll(int64_t v) { return v == 0 ? 64 : __builtin_clzll((uint64_t)v); }
inline int __ffs(int v) { return __builtin_ffs(v); }
inline int __ffsll(int64_t v) { return __builtin_ffsll(v); }
inline unsigned __brev(unsigned v) {
  unsigned r = 0;
  for (int i = 0; i < 32; i++) r |= (v >> i & 1) << (31 - i);
  return r;
}
inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned by) {
  return (unsigned)(((uint64_t)high << 32 | low) << (by & 31) >> 32);
}
inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned by) {
  return (unsigned)(((uint64_t)high << 32 | low) >> (by & 31));
}
inline int __float2int_rn(float v) { return (int)nearbyintf(v); }
inline int __float2int_rd(float v) { return (int)floorf(v); }
inline int __float2int_ru(float v) { return (int)ceilf(v); }
inline int __float2int_rz(float v) { return (int)v; }
inline float __int2float_rn(int v) { return (float)v; }
inline float __uint2float_rn(unsigned v) { return (float)v; }
inline float __ull2float_rn(uint64_t v) { return (float)v; }
inline float __double2float_rn(double v) { return (float)v; }
