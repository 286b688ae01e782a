//go:build cuda && cgo

package cuda

import (
	"fmt"
	"unsafe"

	"github.com/textground/textground/kernels/cuda/driver"
)

// encodedMap is a tensor map as it lies in an argument struct.
type encodedMap [128]byte

// mostMaps bounds the maps that a device remembers. A planned step uses the same few hundred again and again.
const mostMaps = 4096

// encode writes tensor map m into an argument struct's tg_tensor_map. Maps are encoded on the card's thread, which has the
// context that the driver wants, and remembered, so that a step encodes nothing. A map that the driver refuses is an error like
// any of its: nothing is computed after it.
func (d *device) encode(to unsafe.Pointer, m driver.TensorMap) {
	if d.dry() {
		return
	}
	key := fmt.Sprint(m)
	encoded, known := d.maps[key]
	if !known {
		_ = d.engine.do(func() error { // fail keeps what fails
			if err := m.Encode(unsafe.Pointer(&encoded)); err != nil {
				d.engine.fail(fmt.Sprintf("tensor map %+v", m), err)
			}
			return nil
		})
		if len(d.maps) >= mostMaps || d.maps == nil {
			d.maps = map[string]encodedMap{}
		}
		d.maps[key] = encoded
	}
	*(*encodedMap)(to) = encoded
}
