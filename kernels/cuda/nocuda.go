//go:build !cuda || !cgo

package cuda

import (
	"fmt"

	"github.com/textground/textground/kernels"
)

// Open fails: this binary has no CUDA inside.
func Open(index int, precision Precision) (kernels.Device, error) {
	return nil, fmt.Errorf("open device cuda:%d: %w", index, ErrNotBuilt)
}

// Describe fails likewise.
func Describe() (System, error) { return System{}, ErrNotBuilt }
