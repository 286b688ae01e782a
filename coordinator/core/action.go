package core

import "github.com/textground/textground/proto"

// Action is something the shell must do, in the order given.
type Action interface{ action() }

// Publish sends orders to all workers. The slices and maps in it are never changed afterwards.
type Publish struct {
	Orders proto.Orders
	Why    string
}

// OpenStep opens the exchanges of Step and the texts of Step+1. The step may have been open before, closed since: what was
// contributed then is gone.
type OpenStep struct {
	Step  int
	Rates proto.Rates
	Why   string
}

// CloseSteps drops the exchanges of all steps up to and including UpTo, except for the newest reduced gradients
// (proto.MaxBehind of them) while there are followers.
type CloseSteps struct {
	UpTo int
	Why  string
}

// Commit records that every member holds the state after Step. Again is set where the step and this digest are on record
// already, after a fallback.
type Commit struct {
	Step   int
	Digest string
	Again  bool
	Why    string
}

// Seal reads the volumes back and writes the manifest; [Sealed] is its answer.
type Seal struct {
	Step    int
	Nonce   string
	Records map[int]string // volume → what its writer reported
	Why     string
}

// Abandon gives up a save. Unless its manifest was being written, and may stand though the answer was lost, nothing will
// ever name its volumes.
type Abandon struct {
	Step    int
	Nonce   string
	Sealing bool
	Why     string
}

// TakeClass records the run's device class, which was open until now.
type TakeClass struct {
	Class string
	Why   string
}

// Outcome says how a run ended.
type Outcome string

// The outcomes.
const (
	Done   Outcome = "done"   // all steps committed and sealed
	Asked  Outcome = "asked"  // stopped because somebody asked
	Failed Outcome = "failed" // something is wrong, Reason says what
	Fenced Outcome = "fenced" // a coordinator with a higher epoch leads: publish and write nothing more
)

// Finish ends the coordinator. Its last orders are sent again on every resend for as long as ticks come.
type Finish struct {
	Outcome Outcome
	Reason  string // one line
	Sealed  int    // the step of the newest sealed checkpoint, proto.Initial if there is none
}

// Kind sorts the notes of the journal.
type Kind string

// The kinds of notes.
const (
	Joined    Kind = "joined"    // a worker became a member
	Returned  Kind = "returned"  // a silent worker was heard again
	Left      Kind = "left"      // a worker asked to go
	Died      Kind = "died"      // a worker was silent too long, or was replaced by a new process of its name
	Broke     Kind = "failed"    // a worker reported the error that ended it
	Refused   Kind = "refused"   // a worker may not take part
	Raced     Kind = "raced"     // late lanes were leased a second time
	FellBack  Kind = "fell-back" // nobody holds the committed state any more
	TookOver  Kind = "took-over" // living state was found
	Saved     Kind = "saved"     // a checkpoint was sealed
	Skipped   Kind = "save-skipped"
	Abandoned Kind = "save-abandoned"
	Alarm     Kind = "alarm" // something computes wrongly
	Stopping  Kind = "stopping"
)

// Note is a line of the run's journal of faults.
type Note struct {
	Kind   Kind
	Step   int    // the open step
	Worker string // whom it is about, if anybody
	Lanes  []int  // which lanes moved, if any
	Text   string // one line for people
}

func (Publish) action()    {}
func (OpenStep) action()   {}
func (CloseSteps) action() {}
func (Commit) action()     {}
func (Seal) action()       {}
func (Abandon) action()    {}
func (TakeClass) action()  {}
func (Finish) action()     {}
func (Note) action()       {}
