//go:build !cuda || !cgo

package cuda

import (
	"errors"

	"github.com/textground/textground/kernels"
)

// errBuild says how to get a binary with CUDA inside.
var errBuild = errors.New("this binary was built without CUDA: build it with gcc and the tag cuda: make build")

// Open fails: this binary has no CUDA inside.
func Open(index int, precision Precision) (kernels.Device, error) { return nil, errBuild }

// Describe fails likewise.
func Describe() (System, error) { return System{}, errBuild }
