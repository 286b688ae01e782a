package main

import (
	"errors"
	"testing"
)

func TestTheControlFailsWhenItLearns(t *testing.T) {
	r := demoReport{Before: 0.115, Equal: true}
	for after, shuffled := range map[float64]bool{0.363: false, 0.048: true, 0.1349: true} {
		if r.After = after; r.check(goal{}, shuffled) != nil {
			t.Errorf("mIoU %v after, shuffled %v: %v", after, shuffled, r.check(goal{}, shuffled))
		}
	}
	var missed *goalError
	if r.After = 0.136; !errors.As(r.check(goal{}, true), &missed) {
		t.Error("a control that gains 2.1 points passes")
	}
	if r.Equal = false; !errors.As(r.check(goal{}, false), &missed) {
		t.Error("another digest passes")
	}
}
