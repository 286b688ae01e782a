// A driver that has every function: each only succeeds. special.c has those that answer.
#define NEEDED(name) ENTRY(name)
#define ENTRY(name) __attribute__((weak)) int name(void) { return 0; }
#include "../entries.h"
