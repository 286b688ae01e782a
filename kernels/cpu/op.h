// How one operation's file becomes code for every instruction set.
//
// An operation is one file, say layernorm.c, with its arguments declared in layernorm.h. The files isa_*.c each choose an
// instruction set and include every operation's file, which then defines TG(layernorm): tg_layernorm_avx512 and so on,
// written with the vectors of simd.h. Compiled on its own, with TG_ISA undefined, the same file defines only the entry that Go
// calls, tg_layernorm, which goes by the pool's instruction set:
//
//	#include "layernorm.h"
//	#ifdef TG_ISA
//	void TG(layernorm)(struct tg_pool *pool, const struct tg_layernorm *a) { ... }
//	#else
//	TG_DISPATCH(layernorm, struct tg_layernorm)
//	#endif
#ifndef TG_OP_H
#define TG_OP_H

#include "pool.h"

#define TG_JOIN2(a, b, c) a##b##_##c
#define TG_JOIN(a, b, c) TG_JOIN2(a, b, c)
#define TG(name) TG_JOIN(tg_, name, TG_ISA)

#if defined(__x86_64__)
#define TG_DECLARE(name, args)                          \
  void tg_##name##_avx512(struct tg_pool *, const args *); \
  void tg_##name##_avx2(struct tg_pool *, const args *);
#define TG_CASES(name)                        \
  case TG_AVX512:                             \
    tg_##name##_avx512(pool, a);              \
    return;                                   \
  case TG_AVX2:                               \
    tg_##name##_avx2(pool, a);                \
    return;
#elif defined(__aarch64__)
#define TG_DECLARE(name, args) void tg_##name##_neon(struct tg_pool *, const args *);
#define TG_CASES(name)                        \
  case TG_NEON:                               \
    tg_##name##_neon(pool, a);                \
    return;
#else
#define TG_DECLARE(name, args)
#define TG_CASES(name)
#endif

#define TG_DISPATCH(name, args)                               \
  TG_DECLARE(name, args)                                      \
  void tg_##name##_scalar(struct tg_pool *, const args *);    \
  void tg_##name(struct tg_pool *pool, const args *a) {       \
    switch (tg_pool_isa(pool)) {                              \
      TG_CASES(name)                                          \
    default:                                                  \
      tg_##name##_scalar(pool, a);                            \
    }                                                         \
  }

#endif
