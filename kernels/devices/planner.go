package devices

import "github.com/textground/textground/kernels"

// Planner is a device that can tell how much memory work takes before it is done, and take it at once. Devices with memory
// of their own are Planners; asking is free.
type Planner interface {
	kernels.Device
	// Plan returns the bytes of device memory that work takes. work gets a device that counts memory and computes nothing.
	Plan(work func(kernels.Device) error) (bytes int64, err error)
	// Reserve takes so many bytes in one piece, before any tensor is there.
	Reserve(bytes int64) error
	// Available returns the bytes that are free on the device now.
	Available() int64
}
