// Every operation for AVX-512.
#if defined(__x86_64__)
#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")
#define TG_ISA avx512
#define TG_USE_AVX512
#include "isa_ops.h"
#endif
