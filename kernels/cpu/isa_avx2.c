// Every operation for AVX2 with FMA.
#if defined(__x86_64__)
#pragma GCC target("avx2,fma")
#define TG_ISA avx2
#define TG_USE_AVX2
#include "isa_ops.h"
#endif
