// Package devices opens compute devices by the name that a run file or a flag gives.
//
// It is the one place that knows which rungs of the kernels ladder this binary was built with. Commands and workers call
// [Open] once at start and hand the device down; package tcl sees only [kernels.Device]. A device that is a [Planner] is
// asked first how much memory the work takes, so that a run that does not fit is refused before it begins.
package devices
