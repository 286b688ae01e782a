package proto

import (
	"encoding/json"
	"fmt"
)

// Exchange names one kind of data that crosses lanes (design.md section 1).
type Exchange uint8

// The exchanges of a step, in their order.
const (
	Texts     Exchange = 1 // concatenation: lane k owns [k*B*E, (k+1)*B*E) of N*E float32
	Columns   Exchange = 2 // sum: 2*N float64, the column sums of both similarity matrices
	Gradients Exchange = 3 // sum: the trainable parameters' gradient, float32, and a tail of 8 float64 loss terms
)

func (x Exchange) String() string {
	switch x {
	case Texts:
		return "texts"
	case Columns:
		return "columns"
	case Gradients:
		return "gradients"
	}
	return "unknown exchange"
}

// NoStep is the step number of a worker that holds no state. The initial state, before step 0 is applied, counts as step -1.
const NoStep = -2

// Initial is the step number of the seed's initial state.
const Initial = -1

// Mode says what the run is doing.
type Mode string

// The modes. A coordinator that takes over begins with Collecting; Sealing holds the next step until a save is sealed.
const (
	Collecting Mode = "collecting" // asking who holds which state
	Loading    Mode = "loading"    // nobody holds state: everybody loads Base
	Running    Mode = "running"
	Sealing    Mode = "sealing"
	Finished   Mode = "finished" // all steps are committed and sealed: workers exit 0
	Stopped    Mode = "stopped"  // Reason says why: workers exit
)

// Lease gives one lane of the open step to a worker. A lane may be leased twice (a race); the first part wins.
type Lease struct {
	Lane   int    `json:"lane"`
	Worker string `json:"worker"`
}

// TextLease asks a worker for one lane's text embeddings of Step, which is the open step or the one after it.
type TextLease struct {
	Step   int    `json:"step"`
	Lane   int    `json:"lane"`
	Worker string `json:"worker"`
}

// Rates are the numbers of one update, computed by the coordinator alone. Floats travel as IEEE bits.
type Rates struct {
	Phase      int    `json:"phase"`       // 1 or 2
	RateBits   uint64 `json:"rate_bits"`   // learning rate of this step, float64
	Count      int    `json:"count"`       // updates of phase-1 parameters, this one included
	BlockCount int    `json:"block_count"` // updates of the masker block, this one included; 0 in phase 1
}

// Base names the state that a run without living state begins from.
type Base struct {
	Step     int    `json:"step"`     // Initial or the step of a sealed checkpoint
	Manifest string `json:"manifest"` // store key of the manifest; empty for Initial
}

// Save orders a checkpoint: every named writer copies the state after Step and writes its volumes in the background.
type Save struct {
	Step    int            `json:"step"`
	Nonce   string         `json:"nonce"`   // part of the volumes' keys
	Writers map[int]string `json:"writers"` // volume → worker
}

// Orders is the whole will of the coordinator. Sequence rises with every change within an epoch. Turn rises whenever the
// open step is not the successor of the one before, because the run fell back to an older state or found a newer one: what
// was contributed in an earlier turn or epoch is gone, and a worker forgets that it sent it.
type Orders struct {
	Epoch     uint64            `json:"epoch"`
	Turn      int               `json:"turn"`
	Sequence  uint64            `json:"sequence"`
	Mode      Mode              `json:"mode"`
	Step      int               `json:"step"`      // the open step
	Committed int               `json:"committed"` // the last committed step, Initial before the first
	Digest    string            `json:"digest"`    // parameter digest after Committed, empty while unknown
	Members   []string          `json:"members"`   // sorted; every one applies every update
	Leases    []Lease           `json:"leases"`    // of the open step, sorted by lane, then worker
	Texts     []TextLease       `json:"texts"`     // captions asked for, sorted by step, lane, worker
	Rates     Rates             `json:"rates"`
	Base      *Base             `json:"base,omitempty"`  // with Loading
	Peers     map[string]string `json:"peers,omitempty"` // follower → member to copy state from
	Save      *Save             `json:"save,omitempty"`
	Refused   map[string]string `json:"refused,omitempty"` // worker → why it may not take part
	Reason    string            `json:"reason,omitempty"`  // with Stopped
}

// Update describes the update that a worker applied last. Every member reports the same numbers.
type Update struct {
	GradNorm float64   `json:"grad_norm"` // before clipping
	Scale    float64   `json:"scale"`     // w of the masks
	Bias     float64   `json:"bias"`      // b of the masks
	Gates    []float64 `json:"gates"`     // tanh of the decoder's gates, in order
}

// Report is the whole state of one worker. Sequence rises with every change within an instance.
type Report struct {
	Worker   string `json:"worker"`
	Instance string `json:"instance"` // of two processes of one name the one that started later has the greater string
	Epoch    uint64 `json:"epoch"`    // highest coordinator epoch seen
	Sequence uint64 `json:"sequence"`
	Class    string `json:"class"` // device class: equal classes give equal bits
	Device   string `json:"device"`
	PID      int    `json:"pid"`
	Host     string `json:"host"`

	Applied int    `json:"applied"` // the last step whose update this worker has applied; NoStep without state
	Digest  string `json:"digest"`  // parameter digest after Applied

	Update Update `json:"update"` // what the update of Applied looked like, for metrics

	Step      int    `json:"step"`      // the step that the lists below speak of
	Forwarded []int  `json:"forwarded"` // lanes whose column sums have been handed to the exchange
	Done      []int  `json:"done"`      // lanes whose gradients have been handed to the exchange
	Doing     string `json:"doing"`     // for people: "forward lane 3"

	Saved      int            `json:"saved"`                 // step of the save that Volumes speak of; NoStep before the first
	Nonce      string         `json:"nonce,omitempty"`       // nonce of that save
	Volumes    map[int]string `json:"volumes,omitempty"`     // volume → JSON record of what was written for it
	SaveFailed string         `json:"save_failed,omitempty"` // why a volume of that save could not be written
	Failed     string         `json:"failed,omitempty"`      // the error that ends this worker, the first cause
	Leaving    bool           `json:"leaving,omitempty"`     // goes, asked to (SIGTERM) or because the run is over: give its lanes away at once

	BadSamples map[string]int `json:"bad_samples,omitempty"` // samples that this worker's loader left out so far, by reason
}

// EncodeRates and DecodeRates carry the rates of a step beside its reduced gradient: together they are the log that a
// follower replays.
func EncodeRates(r Rates) []byte {
	data, err := json.Marshal(r)
	if err != nil {
		panic(fmt.Sprintf("proto: rates do not encode: %v", err))
	}
	return data
}

// DecodeRates is the inverse of EncodeRates.
func DecodeRates(data []byte) (Rates, error) {
	var r Rates
	if err := json.Unmarshal(data, &r); err != nil {
		return r, fmt.Errorf("rates beside the reduced gradient: %w", err)
	}
	return r, nil
}
