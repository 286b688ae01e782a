// The words that argument structs are written in, so that one declaration serves the kernel (C++, through nvcc or the
// emulator) and its Go launcher (cgo). A device address is a pointer there and a number here: the host never follows it.
#ifndef TG_ARGS_H
#define TG_ARGS_H

#include <stdint.h>

#ifdef __cplusplus
#define TG_PTR(type) type *
#else
#define TG_PTR(type) uint64_t
#endif

#endif
