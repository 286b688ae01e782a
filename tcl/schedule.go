package tcl

import "math"

// Schedule says how fast and what a run learns at each step (tcl-spec section 6). It is pure; the coordinator alone asks
// it and sends the answer as bits.
type Schedule struct {
	LR, MinLR   float64 // final values, after any scaling by the batch
	WarmupSteps int
	WarmupStart float64 // fraction of LR at step 0
	TotalSteps  int     // the step at which the cosine reaches MinLR
	Phase2From  int     // first step that trains the masker block too
}

// Rates are the numbers of one update.
type Rates struct {
	Rate       float64 // base learning rate
	Count      int     // updates of the phase-1 parameters, this one included
	BlockCount int     // updates of the masker block, this one included; 0 in phase 1
}

// Phase returns 1 or 2.
func (s Schedule) Phase(step int) int {
	if step >= s.Phase2From {
		return 2
	}
	return 1
}

// Rates returns the numbers of step, counted from 0.
func (s Schedule) Rates(step int) Rates {
	return Rates{Rate: s.rate(step), Count: step + 1, BlockCount: max(step-s.Phase2From+1, 0)}
}

// rate warms up linearly, then follows half a cosine down to MinLR and stays there.
func (s Schedule) rate(step int) float64 {
	if step < s.WarmupSteps {
		return s.LR * (s.WarmupStart + (1-s.WarmupStart)*float64(step)/float64(s.WarmupSteps))
	}
	if step >= s.TotalSteps {
		return s.MinLR
	}
	along := float64(step-s.WarmupSteps) / float64(s.TotalSteps-s.WarmupSteps)
	return s.MinLR + (s.LR-s.MinLR)*(1+math.Cos(math.Pi*along))/2
}
