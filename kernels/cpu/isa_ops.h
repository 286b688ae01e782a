// The list of all operations; included by each isa_*.c.
#include "op.h"
#include "simd.h"

#include "apply.c"
#include "matmul.c"
#include "layernorm.c"
#include "rows.c"
