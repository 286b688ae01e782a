//go:build cuda && cgo

package cuda

import "github.com/textground/textground/kernels"

// FavourHopper lets products of any size pay on Hopper's engines until restore is called, in the tiling for a card of so many
// multiprocessors, with launches and traffic for nothing.
func FavourHopper(multiprocessors int) (restore func()) {
	old := rates
	rates.multiprocessors, rates.portable = multiprocessors, 1e9
	rates.launching, rates.packing, rates.sharing = 0, 0, 1
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
