package cuda

import (
	"errors"
	"fmt"
)

// ErrNotBuilt says how to get a binary with CUDA inside.
var ErrNotBuilt = errors.New("this binary was built without CUDA: build it with gcc and the tag cuda: make build")

// Precision says what the tensor cores are fed with.
type Precision uint8

// The precisions.
const (
	BFloat16 Precision = iota // operands of long sums rounded to bfloat16, sums in float32
	Float32                   // float32 throughout, without tensor cores: for verification
)

func (p Precision) String() string {
	if p == Float32 {
		return "float32"
	}
	return "bf16"
}

// LeastSM is the oldest compute capability that has kernels, times ten: 8.0, the A100.
const LeastSM = 80

// System is what the driver of this machine says.
type System struct {
	Driver  string   // path of the driver library
	CUDA    string   // the CUDA version it is for, such as "13.0"
	Missing []string // entry points that it lacks, none of which are needed
	Cards   []Card
}

// Card is one device of the machine.
type Card struct {
	Index       int
	Name        string // as the driver has it
	SM          int    // compute capability times ten
	Free, Total int64  // bytes of memory
	Kernels     string // which kernels run on it: "portable", those of Hopper, or why none do
}

// OutOfMemory is what Alloc panics with: operations return no errors. A process that owns the device recovers it and ends.
type OutOfMemory struct {
	Card               string
	Asked, Held        int64 // bytes asked for, and in use by tensors
	CardFree, CardSize int64 // of the whole card, other processes included
}

func (e OutOfMemory) Error() string {
	return fmt.Sprintf("%s: out of memory: %s asked for, %s in use by tensors; the card has %s free of %s",
		e.Card, mebibytes(e.Asked), mebibytes(e.Held), mebibytes(e.CardFree), mebibytes(e.CardSize))
}

func mebibytes(n int64) string { return fmt.Sprintf("%d MiB", (n+1<<20-1)>>20) }
