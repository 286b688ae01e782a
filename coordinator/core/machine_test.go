package core

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/textground/textground/proto"
)

func noRates(int) proto.Rates { return proto.Rates{} }

func TestSenselessConfigurationsAreRefused(t *testing.T) {
	good := Config{Epoch: 1, Lanes: 2, Steps: 3, Volumes: 1, Base: proto.Base{Step: proto.Initial}, Rates: noRates}
	if _, err := New(good); err != nil {
		t.Fatal(err)
	}
	for want, spoil := range map[string]func(*Config){
		"0 lanes":            func(c *Config) { c.Lanes = 0 },
		"5000 lanes":         func(c *Config) { c.Lanes = 5000 },
		"0 steps":            func(c *Config) { c.Steps = 0 },
		"stop after 4 steps": func(c *Config) { c.StopAfter = 4 },
		"0 volumes":          func(c *Config) { c.Volumes = 0 },
		"base at step 3":     func(c *Config) { c.Base.Step = 3 },
		"base at step -2":    func(c *Config) { c.Base.Step = proto.NoStep },
		"no rates":           func(c *Config) { c.Rates = nil },
	} {
		bad := good
		spoil(&bad)
		if _, err := New(bad); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

// Workers says of everybody what they are and what they hold.
func TestWorkersAreShownWithTheirRoles(t *testing.T) {
	m, err := New(Config{Epoch: 2, Lanes: 2, Steps: 9, Volumes: 1, Class: "c", Base: proto.Base{Step: 2}, Rates: noRates})
	if err != nil {
		t.Fatal(err)
	}
	report := func(name string, change func(*proto.Report)) {
		r := proto.Report{Worker: name, Instance: "1", Class: "c", Applied: proto.NoStep}
		change(&r)
		m.Handle(Reported{r})
	}
	tick := func(now time.Duration) { m.Handle(Tick{now}) }
	tick(0)
	report("quiet", func(*proto.Report) {})
	tick(1500 * time.Millisecond)
	report("far", func(r *proto.Report) { r.Applied = 2 })
	tick(3000 * time.Millisecond)
	report("ahead", func(r *proto.Report) { r.Applied = 7 })
	report("behind", func(*proto.Report) {})
	report("broken", func(r *proto.Report) { r.Failed = "no memory" })
	report("other", func(r *proto.Report) { r.Class = "d" })
	report("parting", func(r *proto.Report) { r.Applied, r.Leaving = 2, true })
	tick(3100 * time.Millisecond)
	roles := map[string]string{}
	for _, w := range m.Workers() {
		roles[w.Name] = fmt.Sprint(w.Role, w.Lanes)
	}
	want := map[string]string{"far": "member[0 1]", "ahead": "ahead[]", "behind": "follower[]", "broken": "failed[]", "other": "refused[]", "parting": "leaving[]", "quiet": "silent[]"}
	if diff := cmp.Diff(want, roles); diff != "" {
		t.Error(diff)
	}

	m.Handle(StopAsked{Reason: "enough"})
	report("far", func(r *proto.Report) { r.Applied, r.Leaving = 2, true })
	for _, w := range m.Workers() {
		if w.Name == "far" && w.Role != "member" {
			t.Errorf("who was a member to the end is shown as %s", w.Role)
		}
	}
}

// A worker loads the initial state, computes the only step and writes the only volume of the checkpoint.
func Example() {
	machine, err := New(Config{Epoch: 1, Lanes: 2, Steps: 1, Volumes: 1, Base: proto.Base{Step: proto.Initial}, Rates: noRates})
	if err != nil {
		panic(err)
	}
	worker := proto.Report{Worker: "worker-1", Instance: "1", Class: "ref", Applied: proto.NoStep}
	say := func(change func(*proto.Report)) {
		worker.Sequence++
		change(&worker)
		for _, action := range machine.Handle(Reported{worker}) {
			switch a := action.(type) {
			case OpenStep:
				fmt.Println("open step", a.Step)
			case Commit:
				fmt.Println("commit step", a.Step, "with digest", a.Digest)
			case Seal:
				fmt.Println("seal the state after step", a.Step)
			}
		}
	}
	say(func(r *proto.Report) { r.Applied, r.Digest = proto.Initial, "d0" })
	say(func(r *proto.Report) { r.Applied, r.Digest = 0, "d1" })
	say(func(r *proto.Report) { r.Nonce, r.Volumes = "e1-1", map[int]string{0: "record"} })
	for _, action := range machine.Handle(Sealed{Step: 0, Nonce: "e1-1", Manifest: "manifest"}) {
		if f, ok := action.(Finish); ok {
			fmt.Println(f.Outcome)
		}
	}
	// Output:
	// open step 0
	// commit step 0 with digest d1
	// seal the state after step 0
	// done
}

// BenchmarkStep is a whole step of a large run, in events: 64 workers, 1024 lanes, a report and a progress for each lane.
func BenchmarkStep(b *testing.B) {
	const workers, lanes = 64, 1024
	m, err := New(Config{Epoch: 1, Lanes: lanes, Steps: b.N + 1, Volumes: 1, Class: "c", MinWorkers: workers, Base: proto.Base{Step: proto.Initial}, Rates: noRates})
	if err != nil {
		b.Fatal(err)
	}
	var sequence uint64
	everybody := func(applied int) {
		sequence++
		for w := range workers {
			m.Handle(Reported{proto.Report{Worker: fmt.Sprintf("worker-%02d", w), Instance: "1", Class: "c", Applied: applied, Digest: fmt.Sprint(applied), Sequence: sequence}})
		}
	}
	everybody(proto.Initial)
	for step := range b.N {
		for x := proto.Texts; x <= proto.Gradients; x++ {
			for lane := range lanes {
				m.Handle(Progress{Step: step, Exchange: x, Missing: allLanes(lanes)[lane+1:], Complete: lane == lanes-1})
			}
		}
		everybody(step)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*(3*lanes+workers)), "ns/event")
}
