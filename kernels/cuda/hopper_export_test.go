//go:build cuda && cgo

package cuda

import "github.com/textground/textground/kernels"

// FavourHopper lets products of any size pay on Hopper's engines until restore is called, in tiles of 128 or 256 columns,
// whichever leave fewer columns empty.
func FavourHopper() (restore func()) {
	old := rates
	rates.multiprocessors, rates.portable = 1, 1e9
	return func() { rates = old }
}

// LaunchedHopper reports whether the device has launched that kernel of Hopper's.
func LaunchedHopper(dev kernels.Device, name string) bool {
	for _, k := range declared {
		if k.name == name {
			return dev.(*device).allowed[k.index] > 0
		}
	}
	return false
}
