// Package ref is the reference rung of the kernels ladder: the whole [kernels.Device] in readable Go, one file an operation.
//
// It defines the numerics. Operations add up in float64 and round once when they store float32; where an order matters it
// is the order of the loops. Goroutines share independent outputs only, so their number changes no bit.
//
// Package tcl runs on it where there is no cgo; kerneltest holds every faster device to it. Nothing here is tuned beyond
// keeping the goldens a matter of seconds.
package ref
