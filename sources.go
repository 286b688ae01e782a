// Package textground is the root of the module. It holds the sources of everything that computes, so that a binary, however
// it was built, can say which numbers it makes: internal/buildid digests them for a run's device class (design.md section 1).
package textground

import (
	"embed"
	"io/fs"
)

// What belongs here is what a worker computes with; internal/archtest holds the list to the imports. The modules outside are
// in go.mod and go.sum, what was compiled from .cu files in the manifest beside it.
//
//go:embed go.mod go.sum
//go:embed cmd/textground/assemble.go
//go:embed worker/*.go tcl/*.go dataset/*.go dataset/turbojpeg/*.go dataset/resample/*.go dataset/resample/*.c dataset/resample/*.h exchange/*.go proto/*.go internal/philox/*.go internal/ftfy/*.go
//go:embed kernels/*.go kernels/devices/*.go kernels/ref/*.go
//go:embed kernels/cpu/*.go kernels/cpu/*.c kernels/cpu/*.h
//go:embed kernels/cuda/*.go kernels/cuda/*.cu kernels/cuda/*.h kernels/cuda/include/*.cuh
//go:embed kernels/cuda/bin/*.go kernels/cuda/bin/manifest.json kernels/cuda/driver/*.go kernels/cuda/driver/*.c kernels/cuda/driver/*.h
var sources embed.FS

// Sources returns the sources that were compiled into this binary and determine its numbers, tests included.
func Sources() fs.FS { return sources }
