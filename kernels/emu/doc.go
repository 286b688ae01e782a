// Package emu runs the CUDA kernels of this repository on machines without a GPU.
//
// build.sh compiles the unmodified .cu files of kernels/cuda as C++ (include/ holds the dialect's words) together with an
// emulated CUDA driver (runtime/) into one shared library. The environment variable TEXTGROUND_CUDA_DRIVER names it to package
// kernels/cuda, whose Go code then runs as it would on a card: every CUDA thread is a fiber, every block runs to its end
// before the host thread takes the next, and asynchronous work waits until somebody synchronises.
//
// It is made to find mistakes. Warps, lanes, blocks and late copies come in an order drawn from TG_EMU_SEED, memory that nobody
// has written is NaN, and device memory ends at a page that faults. A barrier that some threads miss, a shuffle that lanes
// disagree on, a wait that nothing ends and an address outside every allocation are failures of the launch that name kernel,
// block and threads. Two more builds look closer: asan (AddressSanitizer, for the ends of static shared arrays) and races
// (every access to shared memory judged against the barriers that its thread has passed). None finds races between blocks,
// missing proxy fences, wrong bits in a descriptor that a tensor map has wrong too, or anything about speed.
//
// The other variables: TG_EMU_SM (75, 80, 90), TG_EMU_DEVICES, TG_EMU_MEMORY (bytes a device), TG_EMU_FAIL_AFTER (launches until
// the device fails), TG_EMU_LAZY=0 (work runs at once), TG_EMU_THREADS (host threads that run blocks).
//
// This package has nothing but tests of the emulator. The product links nothing of it.
package emu
