// Every operation for NEON.
#if defined(__aarch64__)
#define TG_ISA neon
#define TG_USE_NEON
#include "isa_ops.h"
#endif
