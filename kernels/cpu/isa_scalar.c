// Every operation in plain C, for any CPU.
#define TG_ISA scalar
#include "isa_ops.h"
