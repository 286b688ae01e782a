// Package cpu is the fast rung for hosts: the whole [kernels.Device] in C with vector code for AVX-512, AVX2, NEON and plain C.
//
// An operation is one file: layernorm.c with its arguments in layernorm.h, and layernorm.go, which checks shapes and fills
// them in. The files isa_*.c compile every operation once for each instruction set, with the vectors of simd.h; [Open]
// chooses one at run time. Work is cut into tasks by its shapes alone, so results are the same bits for any number of threads
// (pool.h). Tensors lie in C memory, so that no Go pointer ever enters C.
//
// Package devices opens it; without cgo, Open tells how to get it. kerneltest holds it to kernels/ref.
package cpu
