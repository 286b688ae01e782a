package golden

import (
	"encoding/json"
	"fmt"

	"github.com/textground/textground/checkpoint/safetensors"
	"github.com/textground/textground/tcl"
)

const format = "tcl-golden-1"

// metadata is the part of a training golden's configuration that decides numbers.
type metadata struct {
	tcl.Config
	MicroBatch   int     `json:"micro_batch"`
	MicroBatches int     `json:"micro_batches"`
	Tau          float64 `json:"gumbel_tau"`
	Step         int     `json:"step"`
	Phase        int     `json:"phase"`
	Seed         uint64  `json:"seed"`
	Loss         struct {
		TCL  float64 `json:"tcl"`
		Area float64 `json:"area"`
		TV   float64 `json:"tv"`
	} `json:"loss"`
	PriorPos  float64 `json:"area_prior_pos"`
	PriorNeg  float64 `json:"area_prior_neg"`
	Optimiser struct {
		Name        string     `json:"name"`
		LR          float64    `json:"lr"`
		MinLR       float64    `json:"min_lr"`
		Betas       [2]float64 `json:"betas"`
		Epsilon     float64    `json:"eps"`
		WeightDecay float64    `json:"weight_decay"`
		Clip        float64    `json:"clip"`
		WarmupSteps int        `json:"warmup_steps"`
		WarmupStart float64    `json:"warmup_start"`
		TotalSteps  int        `json:"total_steps"`
	} `json:"optimiser"`
}

// readConfig reads the part of a golden's configuration that into asks for.
func readConfig(f *safetensors.File, into any) error {
	if have := f.Metadata["format"]; have != format {
		return fmt.Errorf("metadata: format is %q, but %q is understood", have, format)
	}
	if err := json.Unmarshal([]byte(f.Metadata["config"]), into); err != nil {
		return fmt.Errorf("metadata: config: %w", err)
	}
	return nil
}

func readMetadata(f *safetensors.File) (metadata, error) {
	var m metadata
	if err := readConfig(f, &m); err != nil {
		return m, err
	}
	if m.Phase != 1 && m.Phase != 2 {
		return m, fmt.Errorf("metadata: phase is %d, but 1 or 2 is understood", m.Phase)
	}
	if m.MicroBatch <= 0 || m.MicroBatches <= 0 {
		return m, fmt.Errorf("metadata: %d micro-batches of %d", m.MicroBatches, m.MicroBatch)
	}
	if m.Optimiser.Name != "adamw" {
		return m, fmt.Errorf("metadata: optimiser %q, but adamw is understood", m.Optimiser.Name)
	}
	return m, m.Check()
}

// pairs returns N.
func (m metadata) pairs() int { return m.MicroBatch * m.MicroBatches }

func (m metadata) method() tcl.Method {
	return tcl.Method{Tau: m.Tau, Loss: tcl.Loss{TCL: m.Loss.TCL, Area: m.Loss.Area, TV: m.Loss.TV, Prior: m.PriorPos, PriorNeg: m.PriorNeg}}
}

func (m metadata) optimiser() tcl.Optimiser {
	o := tcl.PaperOptimiser()
	o.Beta1, o.Beta2, o.Epsilon = m.Optimiser.Betas[0], m.Optimiser.Betas[1], m.Optimiser.Epsilon
	o.WeightDecay, o.Clip = m.Optimiser.WeightDecay, m.Optimiser.Clip
	return o
}

// rates returns the numbers of the file's update number count (1 or 2), counted from fresh optimiser state.
func (m metadata) rates(count int) tcl.Rates {
	s := tcl.Schedule{
		LR: m.Optimiser.LR, MinLR: m.Optimiser.MinLR, WarmupSteps: m.Optimiser.WarmupSteps,
		WarmupStart: m.Optimiser.WarmupStart, TotalSteps: m.Optimiser.TotalSteps,
	}
	return tcl.Rates{Rate: s.Rates(m.Step + count - 1).Rate, Count: count, BlockCount: count}
}
