// Package devices opens compute devices by the name that a run file or a flag gives.
//
// It is the one place that knows which rungs of the kernels ladder this binary was built with. Commands and workers call
// [Open] once at start and hand the device down; package tcl sees only [kernels.Device].
package devices
