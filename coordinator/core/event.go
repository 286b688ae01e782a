package core

import (
	"time"

	"github.com/textground/textground/proto"
)

// Event is something that has happened outside.
type Event interface{ event() }

// Tick says how late it is. Time comes from here alone; ten ticks a second are enough.
type Tick struct {
	Now time.Duration // since any fixed moment, never backwards
}

// Reported is a worker's report, in whatever order the bus delivers it.
type Reported struct{ Report proto.Report }

// Progress is what an exchange has so far. It may overtake what was said before, since lanes only come in.
type Progress struct {
	Step         int
	Exchange     proto.Exchange
	Missing      []int // lanes that are not complete in every chunk
	Complete     bool  // the reduced vector can be had
	NonFinite    []int // lanes whose values were not finite
	SumNonFinite bool  // the reduced vector is not finite
}

// Conflict says that two workers gave different values for one node of the sum tree: one of them computes wrongly.
type Conflict struct {
	Step     int
	Exchange proto.Exchange
	Node     proto.Node
	Workers  []string
}

// Sealed answers a [Seal] action: the manifest's key, or why it could not be written.
type Sealed struct {
	Step     int
	Nonce    string
	Manifest string
	Err      error
	Fenced   bool // with Err: the store knows a coordinator with a higher epoch
}

// StopAsked asks the run to seal what is committed and to stop.
type StopAsked struct{ Reason string }

func (Tick) event()      {}
func (Reported) event()  {}
func (Progress) event()  {}
func (Conflict) event()  {}
func (Sealed) event()    {}
func (StopAsked) event() {}
