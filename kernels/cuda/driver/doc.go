// Package driver makes the CUDA driver's library optional: a binary with package cuda inside links no NVIDIA library and
// starts on any machine.
//
// entries.h lists every entry point that include/cuda.h declares. jump.S defines each of them as a jump through a slot of
// a table, table.c. At first cuInit does nothing and succeeds (gorgonia.org/cu calls it at start and would end the process),
// and every other entry point returns CUDA_ERROR_NOT_INITIALIZED. [Open] loads libcuda.so.1, or the library that the
// environment variable TEXTGROUND_CUDA_DRIVER names, and points the slots at it. [Replay] enqueues a whole buffer of launches,
// copies and fills in one crossing from Go to C (tape.h), because a step has thousands of them.
//
// Only package cuda and the command doctor call it. lib/libcuda.a is an empty archive that satisfies cu's -lcuda.
package driver
