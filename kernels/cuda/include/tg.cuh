// What every .cu file includes first: the dialect that nvcc and the emulator both understand.
//
// A kernel takes one struct of arguments, declared in the .h beside it:
//
//	TG_KERNEL(addto, tg_addto, 256) { ... a.dst[i] += a.src[i]; ... }
//
// Allowed besides plain C++17: threadIdx, blockIdx, blockDim, gridDim, __shared__, __syncthreads, __syncwarp, the shuffles
// and ballots with a full mask in converged code, and the wrappers of mma.cuh. Not allowed: <<<>>>, the runtime API, cooperative
// groups, atomics on floats, inline PTX anywhere but in mma.cuh and hopper.cuh.
#pragma once

#include "../args.h"

#ifdef TG_EMU
#include "emu.cuh"
#else
#include <stdint.h>

// TG_KERNEL begins the definition of kernel name, launched with exactly `threads` threads a block and one `struct args a`.
#define TG_KERNEL(name, args, threads) \
  extern "C" __global__ void __launch_bounds__(threads) name(const __grid_constant__ struct args a)

// TG_DYNAMIC_SHARED declares the block's dynamic shared memory, whose bytes the launcher chooses.
#define TG_DYNAMIC_SHARED(name) extern __shared__ __align__(1024) unsigned char name[]
#endif

constexpr unsigned kFullMask = 0xffffffffu;
