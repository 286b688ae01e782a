package sim

import (
	"time"

	"github.com/textground/textground/coordinator/core"
	"github.com/textground/textground/exchange"
	"github.com/textground/textground/internal/philox"
)

// plan is what a seed decides before anything happens.
type plan struct {
	Lanes, Steps, Workers, MinWorkers int
	SaveEvery, Volumes                int
	Faults                            time.Duration // how long things go wrong
	Every                             time.Duration // a fault comes about so often
	StoreFails                        float64
	Poison                            *place // a lane whose gradient is not finite, in some runs

	reducer func() Reducer
	machine func(core.Config) (Machine, error)
}

// newPlan draws from random; poison is a stream of its own.
func newPlan(r, poison *philox.Stream, m Mutation) plan {
	p := plan{
		Lanes: 1 + r.Intn(maxLanes), Steps: 4 + r.Intn(8), Workers: 1 + r.Intn(5),
		SaveEvery: r.Intn(4), Volumes: 1 + r.Intn(3),
		Faults: time.Duration(r.Range(0, 20) * float64(time.Second)), Every: time.Duration(r.Range(0.2, 4) * float64(time.Second)),
		StoreFails: r.Range(0, 0.3),
	}
	if poison.Chance(0.1) {
		p.Poison = &place{poison.Intn(p.Steps), poison.Intn(p.Lanes)}
	}
	p.MinWorkers = r.Intn(p.Workers + 1)
	p.reducer = func() Reducer { return exchange.NewTree[float32](p.Lanes) }
	if m.Reducer != nil {
		p.reducer = func() Reducer { return m.Reducer(p.Lanes) }
	}
	p.machine = func(c core.Config) (Machine, error) {
		machine, err := core.New(c)
		if err != nil || m.Machine == nil {
			return machine, err
		}
		return m.Machine(machine), nil
	}
	return p
}
