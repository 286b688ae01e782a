// Package bin holds the compiled CUDA kernels: what `make kernels` makes of kernels/cuda/*.cu.
//
// They are committed, so that building textground needs no CUDA compiler, and a test compares the digests of the sources in
// manifest.json with the sources themselves. The manifest also tells the registers and the shared memory of each kernel and
// which tensor-core instructions it has. [Images] chooses what a card needs.
package bin
