// Package philox is the project's only source of random numbers: the counter-based generator Philox4x32-10.
//
// A number is a pure function of (seed, use, step, lane, index), so there is no generator state to save, to restore or
// to replay: a lane that is computed again on another machine, or a run that is resumed, meets the same noise. C and CUDA
// kernels compute the same bits.
//
// Use [Key.Uniforms] for whole tensors of noise and [Key.Stream] where the count of draws depends on the draws.
package philox
