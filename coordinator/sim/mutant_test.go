package sim

import (
	"slices"
	"testing"

	"github.com/textground/textground/coordinator/core"
	"github.com/textground/textground/exchange"
	"github.com/textground/textground/proto"
)

// mutantSeeds is how many histories a broken part may survive before it counts as undetected.
const mutantSeeds = 300

// A part that is broken on purpose is noticed: the checks see what they are there for.
func TestMutantsAreCaught(t *testing.T) {
	for name, m := range map[string]Mutation{
		"sums in the order of arrival":            {Reducer: func(lanes int) Reducer { return &arrivalOrder{lanes: lanes} }},
		"counts what comes twice":                 {Reducer: func(lanes int) Reducer { return &countsAgain{arrivalOrder{lanes: lanes}} }},
		"forgets a lane":                          {Reducer: func(lanes int) Reducer { return &forgetful{exchange.NewTree[float32](lanes), lanes} }},
		"commits with a member missing":           {Machine: func(m *core.Machine) Machine { return &hasty{machine: m, reports: map[string]proto.Report{}} }},
		"never leases again what a dead one held": {Machine: func(m *core.Machine) Machine { return &stubborn{machine: m} }},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(mutantSeeds) {
				if r := Run(seed, m, false); r.Failure != "" {
					t.Logf("caught by seed %d: %s", seed, r.Failure)
					return
				}
			}
			t.Errorf("not caught by %d seeds", mutantSeeds)
		})
	}
}

// arrivalOrder counts each lane once, but adds parts as they come instead of along the tree.
type arrivalOrder struct {
	lanes int
	known []bool
	sum   []float32
}

func (r *arrivalOrder) Add(n proto.Node, values []float32) exchange.Outcome {
	if r.known == nil {
		r.known, r.sum = make([]bool, r.lanes), make([]float32, len(values))
	}
	if slices.Contains(r.known[n.Lo:n.Hi], true) {
		return exchange.Duplicate
	}
	return r.add(n, values)
}

func (r *arrivalOrder) add(n proto.Node, values []float32) exchange.Outcome {
	for k := n.Lo; k < n.Hi; k++ {
		r.known[k] = true
	}
	for i, v := range values {
		r.sum[i] += v
	}
	return exchange.Kept
}

func (r *arrivalOrder) Sum() ([]float32, bool) { return r.sum, len(r.Missing()) == 0 }

func (r *arrivalOrder) Missing() []int {
	var lanes []int
	for k := range r.lanes {
		if r.known == nil || !r.known[k] {
			lanes = append(lanes, k)
		}
	}
	return lanes
}

// countsAgain adds a part as often as it comes.
type countsAgain struct{ arrivalOrder }

func (r *countsAgain) Add(n proto.Node, values []float32) exchange.Outcome {
	if r.known == nil {
		return r.arrivalOrder.Add(n, values)
	}
	return r.add(n, values)
}

// forgetful says that the last lane is in as soon as the others are.
type forgetful struct {
	*exchange.Tree[float32]
	lanes int
}

func (r *forgetful) Sum() ([]float32, bool) {
	if sum, ok := r.Tree.Sum(); ok {
		return sum, true
	}
	if missing := r.Tree.Missing(); r.lanes > 1 && slices.Equal(missing, []int{r.lanes - 1}) {
		r.Tree.Add(proto.Node{Lo: r.lanes - 1, Hi: r.lanes}, make([]float32, chunkParams+1))
	}
	return r.Tree.Sum()
}

// hasty takes one member's word that a step is applied for everybody's.
type hasty struct {
	machine *core.Machine
	members []string
	reports map[string]proto.Report
}

func (m *hasty) Handle(e core.Event) []core.Action {
	actions := m.machine.Handle(e)
	if r, ok := e.(core.Reported); ok {
		before := m.reports[r.Report.Worker]
		m.reports[r.Report.Worker] = r.Report
		if r.Report.Applied > before.Applied && before.Instance == r.Report.Instance {
			for _, name := range m.members {
				forged := m.reports[name]
				if name != r.Report.Worker && forged.Applied+1 == r.Report.Applied {
					forged.Applied, forged.Digest = r.Report.Applied, r.Report.Digest
					forged.Sequence++
					actions = append(actions, m.machine.Handle(core.Reported{Report: forged})...)
				}
			}
		}
	}
	for _, a := range actions {
		if p, ok := a.(core.Publish); ok {
			m.members = p.Orders.Members
		}
	}
	return actions
}

// stubborn publishes the leases that a step was opened with until the next step is.
type stubborn struct {
	machine *core.Machine
	turn    int
	step    int
	leases  []proto.Lease
}

func (m *stubborn) Handle(e core.Event) []core.Action {
	actions := m.machine.Handle(e)
	for i, a := range actions {
		p, ok := a.(core.Publish)
		if !ok || p.Orders.Mode != proto.Running {
			continue
		}
		if p.Orders.Step != m.step || p.Orders.Turn != m.turn {
			m.step, m.turn, m.leases = p.Orders.Step, p.Orders.Turn, p.Orders.Leases
		}
		p.Orders.Leases = m.leases
		actions[i] = p
	}
	return actions
}
