// Package chaos holds the tests of whole runs: real processes, a real NATS server, real stores. Each test breaks a run of
// examples/tiny.yaml in one way and asserts that the parameters come out with the same digest as in an undisturbed run.
//
// They need the C kernels: on the reference kernels a single run takes minutes, so builds without cgo leave them out.
package chaos
