// Package cuda is the rung for NVIDIA cards from A100 on: the whole [kernels.Device] in CUDA kernels of our own, driven
// through gorgonia.org/cu. It is built with the tag cuda and gcc, needs neither a CUDA toolkit nor a driver to build, and
// the binary starts on machines that have none (package driver).
//
// An operation is one file: layernorm.cu with its kernels, layernorm.h with their arguments, layernorm.go with the launcher.
// A launcher checks shapes, takes working space (memory.go) and calls launch (kernel.go), which writes a record on a tape
// (tape.go). Tapes go to one goroutine a card, locked to its thread (engine.go), which replays each in one crossing to C.
// The first error of the driver is kept and comes back from the next Download or Sync; nothing is computed after it.
//
// Matrix products, convolutions and attention round their operands to bfloat16 and add in float32 (precision BFloat16), or
// compute in float32 throughout (precision Float32, for verification). On compute capability 9.0 large products and
// convolutions run on engines that only such cards have (hopper.go says which, hopper_tiles.cuh how). Sums have a written
// order: results do not depend on the number of multiprocessors, on addresses or on timing. kerneltest holds everything to
// kernels/ref, on a card or on the emulator of kernels/emu, whose driver the environment variable TEXTGROUND_CUDA_DRIVER
// names. Package devices opens it.
package cuda
