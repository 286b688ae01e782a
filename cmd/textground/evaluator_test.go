package main

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestTheFirstCheckpointAtOrAfterEveryMultipleIsDue(t *testing.T) {
	taken := func(every int, sealed ...int) (steps []int) {
		last := 0
		for _, step := range sealed {
			if due(last, every, step) {
				last, steps = step, append(steps, step)
			}
		}
		return steps
	}
	for _, c := range []struct {
		every        int
		sealed, want []int
	}{
		{20, []int{20, 40, 60}, []int{20, 40, 60}},
		{20, []int{10, 20, 30, 40}, []int{20, 40}},
		{20, []int{15, 30, 45, 60}, []int{30, 45, 60}},
		{20, []int{60, 180}, []int{60, 180}},
		{100, []int{12}, nil},
	} {
		if got := taken(c.every, c.sealed...); !slices.Equal(got, c.want) {
			t.Errorf("every %d, sealed %v: %v, want %v", c.every, c.sealed, got, c.want)
		}
	}
}

func TestNoCheckpointIsDueTwice(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		every, step := rapid.IntRange(1, 50).Draw(r, "every"), rapid.IntRange(0, 500).Draw(r, "step")
		if due(step, every, step) || due(step+1, every, step) {
			r.Errorf("step %d is due after itself", step)
		}
	})
}
