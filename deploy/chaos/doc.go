// Package chaos holds the tests of whole runs: real processes, a real NATS server, real stores. Each test breaks a run of
// examples/tiny.yaml in one way and asserts that the parameters come out with the same digest as in an undisturbed run.
package chaos
