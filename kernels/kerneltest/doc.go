// Package kerneltest is the one conformance and bench suite for all devices.
//
// [Run] performs every operation of [kernels.Device] on the device under test and on kernels/ref with the same inputs, at
// awkward shapes: one row, one text, odd channel counts, strided views. It then repeats each with other numbers of threads
// and with memory shifted off its alignment, and wants the same bits. [Bench] prints what each operation reaches.
//
// A device's own test is one call of Run. A new operation is one more entry in the list of checks beside its kin.
package kerneltest
