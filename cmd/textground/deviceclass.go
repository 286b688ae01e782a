package main

import (
	"fmt"
	"runtime"

	"github.com/textground/textground"
	"github.com/textground/textground/internal/buildid"
	"github.com/textground/textground/kernels/cpu"
)

// thisBuild says what the numbers of this binary depend on, besides the device.
func thisBuild() (buildid.Build, error) { return buildid.Of(textground.Sources(), cpu.Compiler()) }

// deviceClass names what must be equal for equal bits (design.md section 1): the build, the instruction set or card, and the
// image decoder. Binaries of the same sources and compilers are of one class.
func deviceClass(device string) (string, error) {
	build, err := thisBuild()
	if err != nil {
		return "", err
	}
	decoder, err := jpegDecoder()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s/%s/%s/%s", build.ID(), runtime.GOARCH, device, decoder.Name()), nil
}
