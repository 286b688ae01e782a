// Command nvcc compiles kernels/cuda/*.cu into kernels/cuda/bin, from which package bin compiles them into the program.
//
//	go run ./internal/nvcc           build, and write the manifest
//	go run ./internal/nvcc -check    build elsewhere, and fail unless every byte is the committed one
//	go run ./internal/nvcc -install  only install the compiler: fails where PyPI cannot be reached
//
// The compiler comes as Python wheels into .tools/nvcc, at the versions of toolchain.txt; no CUDA toolkit is installed. Each
// source becomes a cubin for sm_80 (which runs on every 8.x card), one for sm_90a, and PTX for cards that are newer. Sources
// named hopper_* use instructions of sm_90a and become only that cubin.
//
// A build fails when a kernel spills registers, when a kernel named *_bf16 of a portable source has no tensor-core instruction
// (HMMA), and when one of a hopper_ source lacks HGMMA.
package main
