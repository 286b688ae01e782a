//go:build !cgo

package cpu

import (
	"errors"

	"github.com/textground/textground/kernels"
)

// Open fails: this binary was built without the C code.
func Open(threads int) (kernels.Device, error) {
	return nil, errors.New("open device cpu: this binary was built without cgo: build it with CGO_ENABLED=1 and gcc, or use the device ref")
}

// InstructionSets returns none.
func InstructionSets() []string { return nil }

// Compiler returns "": there is no C code in this binary.
func Compiler() string { return "" }
