package core

import (
	"fmt"
	"slices"
	"time"

	"github.com/textground/textground/proto"
)

// Config is all that a machine knows from the start. Funcs must be pure: they are called again after a fallback.
type Config struct {
	Epoch      uint64                        // of this coordinator, higher than any before it
	Lanes      int                           // lanes of the global batch
	Steps      int                           // steps of the run, 0..Steps-1
	StopAfter  int                           // commit this many steps, seal and finish; 0 means Steps
	SaveEvery  int                           // a save after every so many steps; 0 means none on the way
	SaveAt     []int                         // further steps to save after
	Volumes    int                           // volumes of a checkpoint
	Class      string                        // device class of the run; empty: the first worker's is taken
	Mixed      bool                          // classes may differ and digests with them
	Base       proto.Base                    // newest checkpoint that verifies, or proto.Initial
	Known      map[int]string                // digests on record of steps that may be committed again
	Rates      func(step int) proto.Rates    // numbers of an update
	Samples    func(step, lane int) []string // sample ids, to name where a value was not finite; may be nil
	MinWorkers int                           // so many must have loaded before the first step of this coordinator opens, for at most WaitFor

	// Zero takes the default in brackets.
	Silence       time.Duration // [proto.Silence] a worker unheard for so long is no member
	CollectFor    time.Duration // [proto.CollectFor] how long living state is looked for
	WaitFor       time.Duration // [30 s] how long MinWorkers may hold the start
	RaceFloor     time.Duration // [1 s] a lane is never late before
	RaceFactor    int           // [3] a lane is late after so many times the median lane's time
	SealWithin    time.Duration // [proto.SealWithin] for the save that ends the run
	SaveWithin    time.Duration // [10 min] for a save on the way
	ResendEvery   time.Duration // [proto.ResendEvery] orders are sent again
	DeathsPerLane int           // [proto.DeathsPerLane] then the run stops and names the lane
}

// withDefaults refuses a configuration that no run can have and fills in the defaults.
func (c Config) withDefaults() (Config, error) {
	switch {
	case c.Lanes < 1 || c.Lanes > proto.MaxLanes:
		return c, fmt.Errorf("%d lanes: the limits are 1 and %d", c.Lanes, proto.MaxLanes)
	case c.Steps < 1:
		return c, fmt.Errorf("%d steps: a run has at least one", c.Steps)
	case c.StopAfter < 0 || c.StopAfter > c.Steps:
		return c, fmt.Errorf("stop after %d steps: the run has %d", c.StopAfter, c.Steps)
	case c.Volumes < 1:
		return c, fmt.Errorf("%d volumes: a checkpoint has at least one", c.Volumes)
	case c.Base.Step < proto.Initial || c.Base.Step >= c.Steps:
		return c, fmt.Errorf("base at step %d: the run has %d steps", c.Base.Step, c.Steps)
	case c.Rates == nil:
		return c, fmt.Errorf("no rates")
	}
	if c.StopAfter == 0 {
		c.StopAfter = c.Steps
	}
	c.SaveAt = slices.Clone(c.SaveAt)
	orDefault(&c.Silence, proto.Silence)
	orDefault(&c.CollectFor, proto.CollectFor)
	orDefault(&c.WaitFor, 30*time.Second)
	orDefault(&c.RaceFloor, time.Second)
	orDefault(&c.RaceFactor, 3)
	orDefault(&c.SealWithin, proto.SealWithin)
	orDefault(&c.SaveWithin, 10*time.Minute)
	orDefault(&c.ResendEvery, proto.ResendEvery)
	orDefault(&c.DeathsPerLane, proto.DeathsPerLane)
	return c, nil
}

func orDefault[T time.Duration | int](v *T, otherwise T) {
	if *v == 0 {
		*v = otherwise
	}
}

// last is the last step that this run commits.
func (c *Config) last() int { return c.StopAfter - 1 }

// saveDue reports whether a checkpoint of the state after step is wanted.
func (c *Config) saveDue(step int) bool {
	return c.SaveEvery > 0 && (step+1)%c.SaveEvery == 0 || slices.Contains(c.SaveAt, step) || step == c.last()
}
