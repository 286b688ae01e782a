// Package kernels defines what a compute device can do for TCL: the [Device] interface and the tensors it works on.
//
// There are rungs of the same ladder: kernels/ref is readable Go and defines the numerics, kernels/cpu is C with vector
// code, kernels/cuda is for NVIDIA cards. Each rung has one file an operation, under the same name. kernels/kerneltest
// holds every device to ref at awkward shapes. Package tcl is written once against Device and cannot tell them apart.
//
// Operations enqueue work on outputs that the caller allocated; they return nothing and may run later. Only Download and
// Sync wait. Wrong shapes are broken invariants and panic with their numbers; a failing device reports at the next wait.
// Results never depend on the number of threads, on memory addresses or on timing: sums have a written order.
package kernels
