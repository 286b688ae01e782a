//go:build cuda && cgo

// Every driver function of entries.h: a jump through its slot. The symbols are hidden, so that the real library, which
// exports the same names, never meets ours.
#define NEEDED(name) ENTRY(name)

#if defined(__x86_64__)
#define ENTRY(name) .globl name; .hidden name; .type name, @function; name: jmp *tg_slot_##name(%rip); .size name, . - name;
#elif defined(__aarch64__)
#define ENTRY(name) .globl name; .hidden name; .type name, %function; name: adrp x16, tg_slot_##name; \
  ldr x16, [x16, :lo12:tg_slot_##name]; br x16; .size name, . - name;
#else
#error "the CUDA device is for x86-64 and arm64"
#endif

.text
.balign 16
#include "entries.h"

#if defined(__x86_64__)
.section .note.GNU-stack, "", @progbits
#else
.section .note.GNU-stack, "", %progbits
#endif
