//go:build cuda && cgo

package main

import (
	"os"
	"strings"
	"testing"

	"github.com/textground/textground/kernels/devices"
	"github.com/textground/textground/kernels/ref"
	"github.com/textground/textground/proto"
	"github.com/textground/textground/tcl"
)

// card is an emulated card that says how much memory it has and reserves none.
type card struct {
	devices.Planner
	available, reserved int64
}

func (c *card) Reserve(bytes int64) error { c.reserved = bytes; return nil }
func (c *card) Available() int64          { return c.available }

func openCard(t *testing.T) devices.Planner {
	t.Helper()
	if os.Getenv("TEXTGROUND_CUDA_DRIVER") == "" {
		t.Skip("TEXTGROUND_CUDA_DRIVER names no driver: make test-cuda builds the emulator's")
	}
	dev, err := devices.Open("cuda", 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dev.Close() })
	return dev.(devices.Planner)
}

// tinyAssembly is the model of the smallest run, with four pairs a step in lanes of microBatch.
func tinyAssembly(t *testing.T, microBatch int) *assembly {
	t.Helper()
	file, err := proto.ReadRunFile("../../examples/tiny.yaml")
	if err != nil {
		t.Fatal(err)
	}
	file.Batch, file.MicroBatch = 4, microBatch
	a, err := assembleModel(file)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestCardsGiveActivationsTheMemoryThatIsThere(t *testing.T) {
	a := tinyAssembly(t, 1)
	initial := a.initialGrounder()
	c := &card{Planner: openCard(t), available: 1 << 40}
	every, err := a.planMemory(c, initial)
	if err != nil || every <= activationBytes {
		t.Fatalf("with a terabyte %d bytes are kept: %v", every, err)
	}
	all := c.reserved
	c.available = all
	if some, err := a.planMemory(c, initial); err != nil || some != activationBytes {
		t.Errorf("where every pass would leave nothing for an evaluation, %d bytes are kept: %v", some, err)
	}
	one, err := a.planStep(c, initial, 1, 0)
	if err != nil || one >= all {
		t.Fatalf("one pass takes %d bytes, every pass %d: %v", one, all, err)
	}
	c.available = one
	if least, err := a.planMemory(c, initial); err != nil || least != 0 || c.reserved != one {
		t.Errorf("%d bytes are kept, %d reserved: %v", least, c.reserved, err)
	}
}

func TestCardsRefuseAStepWithTheMicroBatchThatFits(t *testing.T) {
	a := tinyAssembly(t, 4)
	initial := a.initialGrounder()
	c := &card{Planner: openCard(t)}
	two, err := a.planStep(c, initial, 2, 0)
	if err != nil {
		t.Fatal(err)
	}
	c.available = two
	if _, err := a.planMemory(c, initial); codeOf(err) != exitBadInput || !strings.Contains(err.Error(), "micro_batch 2 fits") {
		t.Error(err)
	}
	c.available = 1 << 20
	if _, err := a.planMemory(c, initial); codeOf(err) != exitBadInput || !strings.Contains(err.Error(), "no micro_batch fits") {
		t.Error(err)
	}
}

func TestCardsPlanAndTheHostDoesNot(t *testing.T) {
	a := tinyAssembly(t, 2)
	if kept, err := a.planMemory(ref.New(), a.initialGrounder()); err != nil || kept != activationBytes {
		t.Errorf("%d bytes are kept: %v", kept, err)
	}
}

// What the plan took is all that real steps take: the dry run went the same way.
func TestCardsTakeNothingBeyondThePlan(t *testing.T) {
	a, dev := tinyAssembly(t, 2), openCard(t)
	initial := a.initialGrounder()
	keepBytes, err := a.planMemory(dev, initial)
	if err != nil {
		t.Fatal(err)
	}
	planned := dev.Available()
	model, err := a.modelOn(dev, initial, 2, keepBytes)
	if err != nil {
		t.Fatal(err)
	}
	defer model.Close()
	if err := takeSteps(model); err != nil {
		t.Fatal(err)
	}
	if left := dev.Available(); left != planned {
		t.Errorf("%d bytes were free after the plan, after two steps it is %d", planned, left)
	}
}

// takeSteps goes through both phases, all lanes forward before any goes back, as a worker does.
func takeSteps(model *tcl.Model) error {
	for phase := 1; phase <= 2; phase++ {
		lane := newBenchedLane(model, 2, 4, phase)
		own, err := model.EmbedTexts(lane.tokens)
		if err != nil {
			return err
		}
		copy(lane.texts[copy(lane.texts, own):], own)
		var passes []*tcl.Pass
		columns := make([]float64, 2*4)
		for k := range 2 {
			lane.batch.Lane = k
			pass, err := model.Forward(lane.batch, lane.texts)
			if err != nil {
				return err
			}
			sums, err := pass.Columns()
			if err != nil {
				return err
			}
			for i, v := range sums {
				columns[i] += v
			}
			passes = append(passes, pass)
		}
		for _, pass := range passes {
			if _, err := model.Backward(pass, columns, phase, lane.grads, nil); err != nil {
				return err
			}
			model.Release(pass)
		}
		if _, err := model.Apply(lane.grads, phase, tcl.Rates{Rate: 1e-4, Count: 1, BlockCount: 1}); err != nil {
			return err
		}
	}
	return nil
}

func TestCardsAreDescribedByDoctor(t *testing.T) {
	openCard(t)
	o := command(t, "doctor", "--json", "--store", "file://"+t.TempDir())
	for _, word := range []string{`"check":"NVIDIA driver"`, "for CUDA 13.0, ", `"check":"device cuda:0"`, "MiB free of ", "kernels: "} {
		if !strings.Contains(o.out, word) {
			t.Errorf("exit code %d, and nothing says %s: %s", o.code, word, o.out)
		}
	}
}
