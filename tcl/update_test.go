package tcl

import (
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestScheduleWarmsUpThenFollowsACosine(t *testing.T) {
	s := Schedule{LR: 3e-4, MinLR: 4e-5, WarmupSteps: 15000, WarmupStart: 1e-4, TotalSteps: 50000, Phase2From: 30000}
	for step, want := range map[int]float64{
		0: 3e-8, 7500: 3e-4 * (1e-4 + (1-1e-4)/2), 15000: 3e-4, 32500: (3e-4 + 4e-5) / 2, 50000: 4e-5, 60000: 4e-5,
	} {
		if got := s.Rates(step).Rate; math.Abs(got-want) > 1e-12*want {
			t.Errorf("step %d: rate %v, not %v", step, got, want)
		}
	}
	for step, want := range map[int]Rates{0: {Count: 1}, 29999: {Count: 30000}, 30000: {Count: 30001, BlockCount: 1}, 30004: {Count: 30005, BlockCount: 5}} {
		want.Rate = s.Rates(step).Rate
		if got := s.Rates(step); got != want {
			t.Errorf("step %d: %+v, not %+v", step, got, want)
		}
	}
	if s.Phase(29999) != 1 || s.Phase(30000) != 2 {
		t.Error("phase 2 begins elsewhere")
	}
}

func TestScheduleStaysBetweenItsBounds(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		s := Schedule{LR: 1e-3, MinLR: rapid.Float64Range(0, 1e-3).Draw(r, "min"), WarmupSteps: rapid.IntRange(0, 50).Draw(r, "warmup"), WarmupStart: 0.01}
		s.TotalSteps = s.WarmupSteps + rapid.IntRange(0, 50).Draw(r, "rest")
		step := rapid.IntRange(0, 200).Draw(r, "step")
		rate := s.Rates(step).Rate
		if lowest := min(s.MinLR, s.LR*s.WarmupStart); !(rate >= lowest*(1-1e-12) && rate <= s.LR*(1+1e-12)) {
			r.Fatalf("%+v at %d: %v", s, step, rate)
		}
	})
}

func TestRunsOfTheOptimiserCoverAPhaseOnceWithTheRightNumbers(t *testing.T) {
	o := PaperOptimiser()
	o.Gates, o.Sim, o.Block = 3, 10, 0.125
	l := newLayout(micro)
	for phase := 1; phase <= 2; phase++ {
		at := l.offset(phase)
		runs := o.runs(l, phase)
		for _, u := range runs {
			if u.lo != at || u.hi <= u.lo {
				t.Fatalf("phase %d: [%d, %d) after %d", phase, u.lo, u.hi, at)
			}
			at = u.hi
		}
		if at != l.len {
			t.Errorf("phase %d: runs end at %d of %d", phase, at, l.len)
		}
		for _, p := range l.list {
			checkRunOf(t, runs, l, p, phase)
		}
	}
}

// checkRunOf states the rules of tcl-spec section 6 once more.
func checkRunOf(t *testing.T, runs []run, l layout, p Parameter, phase int) {
	t.Helper()
	lo := l.offsets[p.Name]
	i := slices.IndexFunc(runs, func(u run) bool { return u.lo <= lo && lo < u.hi })
	inBlock := strings.Contains(p.Name, ".backbone.")
	if i < 0 {
		if !inBlock || phase == 2 {
			t.Errorf("phase %d: %s is not updated", phase, p.Name)
		}
		return
	}
	want := run{lo: runs[i].lo, hi: runs[i].hi, multiplier: 1, decay: 0.05, block: inBlock}
	if len(p.Shape) == 1 {
		want.decay = 0
	}
	switch {
	case inBlock:
		want.multiplier = 0.125
	case strings.HasSuffix(p.Name, ".gate.gate"):
		want.multiplier = 3
	case p.Name == "masker.sim2mask.w", p.Name == "masker.sim2mask.b":
		want.multiplier = 10
	}
	if runs[i] != want {
		t.Errorf("%s: %+v, not %+v", p.Name, runs[i], want)
	}
}

func TestPowerMultiplies(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 7, 100, 12345} {
		if got, want := power(0.999, n), math.Pow(0.999, float64(n)); math.Abs(got-want) > 1e-12*want {
			t.Errorf("0.999^%d = %v, not %v", n, got, want)
		}
	}
}

func TestPhase1LeavesTheBlockAloneAndPhase2StartsItFresh(t *testing.T) {
	s := newScene(t, 111)
	m := s.model(t, fastest(t), 1)
	block := m.layout.block
	ones := func(phase int) []float32 {
		g := make([]float32, m.GradientLen(phase))
		fill(g, 1e-3)
		return g
	}
	start := stateOf(t, m)
	apply(t, m, ones(1), 1, Rates{Rate: 1e-2, Count: 1})
	phase1 := stateOf(t, m)
	if !slices.Equal(phase1.Params[:block], start.Params[:block]) || slices.Max(phase1.M1[:block]) != 0 {
		t.Error("phase 1 moves the masker block")
	}
	if slices.Equal(phase1.Params[block:], start.Params[block:]) {
		t.Error("phase 1 moves nothing")
	}
	apply(t, m, ones(2), 2, Rates{Rate: 1e-2, Count: 2, BlockCount: 1})
	phase2 := stateOf(t, m)
	// The first bias-corrected step has length rate, whatever the gradient; 1-d tensors do not decay.
	at := m.layout.offsets[maskerPrefix(micro)+"ln_1.bias"]
	if moved := float64(phase1.Params[at] - phase2.Params[at]); math.Abs(moved-1e-2) > 1e-4 {
		t.Errorf("the block's first step has length %v", moved)
	}
}

func TestACopiedStateStaysAsItWasAndItsMemoryServesAgain(t *testing.T) {
	s := newScene(t, 112)
	m := s.model(t, fastest(t), 1)
	copied := stateOf(t, m)
	want, memory := slices.Clone(copied.Params), &copied.Params[0]
	grads := make([]float32, m.GradientLen(1))
	fill(grads, 1e-3)
	apply(t, m, grads, 1, Rates{Rate: 1e-2, Count: 1})
	if !slices.Equal(copied.Params, want) {
		t.Error("an update changed a state that was copied before it")
	}
	if err := m.CopyState(&copied); err != nil {
		t.Fatal(err)
	}
	if &copied.Params[0] != memory {
		t.Error("the second copy took fresh memory")
	}
	if !slices.Equal(copied.Params, stateOf(t, m).Params) {
		t.Error("the second copy is not the state")
	}
}

func stateOf(t *testing.T, m *Model) State {
	t.Helper()
	s, err := m.State()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func apply(t *testing.T, m *Model, grads []float32, phase int, r Rates) float64 {
	t.Helper()
	applied, err := m.Apply(grads, phase, r)
	if err != nil {
		t.Fatal(err)
	}
	return applied.GradNorm
}

func TestAGradientThatIsNotFiniteIsAnError(t *testing.T) {
	s := newScene(t, 121)
	m := s.model(t, fastest(t), 1)
	before := stateOf(t, m)
	for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(-1))} {
		grads := make([]float32, m.GradientLen(1))
		grads[17] = bad
		_, err := m.Apply(grads, 1, Rates{Rate: 1, Count: 1})
		wantError(t, err, "norm")
		if err := m.SetState(before); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAGradientOfTheWrongLengthIsRefusedAndChangesNothing(t *testing.T) {
	m := newScene(t, 122).model(t, fastest(t), 1)
	before := stateOf(t, m)
	_, err := m.Apply(make([]float32, 3), 1, Rates{Rate: 1, Count: 1})
	wantError(t, err, "3 gradients")
	after := stateOf(t, m)
	if !slices.Equal(before.Params, after.Params) || !slices.Equal(before.M1, after.M1) {
		t.Error("the state changed")
	}
}

func TestAnUpdateKnowsItsDigestAndGauges(t *testing.T) {
	m := newScene(t, 123).model(t, fastest(t), 1)
	grads := make([]float32, m.GradientLen(2))
	fill(grads, 1e-3)
	applied, err := m.Apply(grads, 2, Rates{Rate: 1e-2, Count: 1, BlockCount: 1})
	if err != nil {
		t.Fatal(err)
	}
	digest, err := m.Digest()
	if err != nil {
		t.Fatal(err)
	}
	gauges, err := m.Gauges()
	if err != nil {
		t.Fatal(err)
	}
	if applied.Digest != digest || !reflect.DeepEqual(applied.Gauges, gauges) {
		t.Errorf("%+v, but afterwards the digest is %s and the gauges %+v", applied, digest, gauges)
	}
}

func TestNormIsThatOfTheWholeGradient(t *testing.T) {
	m := newScene(t, 131).model(t, fastest(t), 1)
	grads := make([]float32, m.GradientLen(2))
	grads[0], grads[len(grads)-1] = 3, 4
	if norm := apply(t, m, grads, 2, Rates{Rate: 1e-3, Count: 1, BlockCount: 1}); norm != 5 {
		t.Errorf("norm %v", norm)
	}
}

func TestAStateContinuesOnAnotherModelWithTheSameBits(t *testing.T) {
	s := newScene(t, 141)
	a, b := s.model(t, fastest(t), 3), s.model(t, fastest(t), 1)
	train := func(m *Model, from, to int) {
		for step := from; step < to; step++ {
			got := s.run(t, m, 2, 0, 1, 2)
			sum := got.grads[0]
			for i := range sum {
				sum[i] += got.grads[1][i] + got.grads[2][i]
			}
			apply(t, m, sum, 2, Rates{Rate: 1e-3, Count: step + 1, BlockCount: step + 1})
		}
	}
	train(a, 0, 2)
	if err := b.SetState(stateOf(t, a)); err != nil {
		t.Fatal(err)
	}
	train(a, 2, 4)
	train(b, 2, 4)
	digests := [][2]string{}
	for _, m := range []*Model{a, b} {
		cheap, err := m.Digest()
		if err != nil {
			t.Fatal(err)
		}
		full, err := m.ParamsSHA256()
		if err != nil {
			t.Fatal(err)
		}
		digests = append(digests, [2]string{cheap, full})
	}
	if digests[0] != digests[1] {
		t.Errorf("digests %v", digests)
	}
}

func TestEveryBitOfTheParametersReachesBothDigests(t *testing.T) {
	m := newScene(t, 151).model(t, fastest(t), 1)
	digests := func() (string, string) {
		cheap, err := m.Digest()
		if err != nil {
			t.Fatal(err)
		}
		full, err := m.ParamsSHA256()
		if err != nil {
			t.Fatal(err)
		}
		return cheap, full
	}
	cheap, full := digests()
	params := stateOf(t, m).Params
	for _, at := range []int{0, len(params) / 2, len(params) - 1} {
		params[at] = math.Float32frombits(math.Float32bits(params[at]) ^ 1)
		if err := m.SetParameters(params); err != nil {
			t.Fatal(err)
		}
		c, f := digests()
		if c == cheap || f == full {
			t.Errorf("flipping the last bit of value %d goes unseen", at)
		}
		cheap, full = c, f
	}
}

func TestGaugesReadTheScalars(t *testing.T) {
	s := newScene(t, 161)
	m := s.model(t, fastest(t), 1)
	g, err := m.Gauges()
	if err != nil {
		t.Fatal(err)
	}
	if g.Scale != float64(s.ground.Values(simPrefix + "w")[0]) || g.LogitScaleF != float64(s.ground.Values(scaleFeatures)[0]) {
		t.Errorf("%+v", g)
	}
	if want := math.Tanh(float64(s.ground.Values(gatedPrefix(1, 0) + "gate.gate")[0])); len(g.Gates) != 4 || g.Gates[2] != want {
		t.Errorf("gates %v, third wanted %v", g.Gates, want)
	}
}
