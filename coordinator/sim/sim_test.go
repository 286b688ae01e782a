package sim

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// defaultSeeds take a few seconds with the race detector on a slow core; TEXTGROUND_SIM_SEEDS asks for more.
const defaultSeeds = 300

func seedCount(t *testing.T) uint64 {
	text := os.Getenv("TEXTGROUND_SIM_SEEDS")
	if text == "" {
		return defaultSeeds
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("TEXTGROUND_SIM_SEEDS=%q: %v", text, err)
	}
	return n
}

// keptSeeds are those that once failed.
func keptSeeds(t *testing.T) []uint64 {
	data, err := os.ReadFile("testdata/seeds.txt")
	if err != nil {
		t.Fatal(err)
	}
	var seeds []uint64
	for line := range strings.Lines(string(data)) {
		text, _, _ := strings.Cut(line, "#")
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("testdata/seeds.txt: %v", err)
		}
		seeds = append(seeds, seed)
	}
	return seeds
}

// explain plays a failed seed again and shows how it came about.
func explain(seed uint64) string {
	r := Run(seed, Mutation{}, true)
	lines := r.Trace[max(0, len(r.Trace)-120):]
	return fmt.Sprintf("seed %d: %s\nrepeat with: TEXTGROUND_SIM_SEED=%d go test ./coordinator/sim -run OneSeed -v\n%s", seed, r.Failure, seed, strings.Join(lines, "\n"))
}

// Whatever fails, whenever: each lane counts once, digests equal the undisturbed run's, and the run gets done.
func TestRunsSurviveFaults(t *testing.T) {
	total := map[string]int{}
	var took time.Duration
	events := 0
	play := func(seed uint64) {
		r := Run(seed, Mutation{}, false)
		if r.Failure != "" {
			t.Fatal(explain(seed))
		}
		for what, n := range r.Counts {
			total[what] += n
		}
		took, events = took+r.Took, events+r.Events
	}
	kept, count := keptSeeds(t), seedCount(t)
	for _, seed := range kept {
		play(seed)
	}
	for seed := range count {
		play(seed)
	}
	t.Logf("%d seeds and %d kept ones: %v of virtual time, %d events, %v", count, len(kept), took.Round(time.Second), events, total)
	for _, what := range []string{"two coordinators", "resumed", "poisoned", "joined", "died", "left", "returned", "raced", "fell-back", "took-over", "sealed", "save-abandoned", "save-skipped"} {
		if total[what] == 0 {
			t.Errorf("%q never happened: the faults do not reach it", what)
		}
	}
	for _, f := range faults {
		if total[f.name] == 0 {
			t.Errorf("fault %q never happened", f.name)
		}
	}
}

// One seed is one history.
func TestSameSeedSameHistory(t *testing.T) {
	for seed := range uint64(5) {
		a, b := Run(seed, Mutation{}, true), Run(seed, Mutation{}, true)
		if strings.Join(a.Trace, "\n") != strings.Join(b.Trace, "\n") || a.Events != b.Events {
			t.Errorf("seed %d gave two histories", seed)
		}
	}
}

// TEXTGROUND_SIM_SEED=n plays one seed and prints its history.
func TestOneSeed(t *testing.T) {
	text := os.Getenv("TEXTGROUND_SIM_SEED")
	if text == "" {
		t.Skip("TEXTGROUND_SIM_SEED is not set")
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	r := Run(seed, Mutation{}, true)
	t.Logf("%s", strings.Join(r.Trace, "\n"))
	if r.Failure != "" {
		t.Errorf("seed %d: %s", seed, r.Failure)
	}
}
