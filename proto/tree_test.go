package proto

import (
	"testing"

	"pgregory.net/rapid"
)

// Every set of lanes is covered exactly once by valid, maximal nodes.
func TestCoverIsExactAndMaximal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lanes := rapid.IntRange(1, 40).Draw(t, "lanes")
		held := rapid.SliceOfNDistinct(rapid.IntRange(0, lanes-1), 0, lanes, rapid.ID[int]).Draw(t, "held")
		has := map[int]bool{}
		for _, k := range held {
			has[k] = true
		}
		covered := map[int]int{}
		for _, n := range Cover(held, lanes) {
			if !n.Valid(lanes) {
				t.Fatalf("%v is no node of %d lanes", n, lanes)
			}
			for k := n.Lo; k < n.Hi; k++ {
				covered[k]++
			}
			if p, ok := n.Parent(lanes); ok {
				full := true
				for k := p.Lo; k < p.Hi; k++ {
					full = full && has[k]
				}
				if full {
					t.Fatalf("%v is not maximal: %v is held too", n, p)
				}
			}
		}
		for k := range lanes {
			want := 0
			if has[k] {
				want = 1
			}
			if covered[k] != want {
				t.Fatalf("lane %d is covered %d times, want %d", k, covered[k], want)
			}
		}
	})
}

func TestChildrenSplitAtTheLargestPowerOfTwo(t *testing.T) {
	for _, c := range []struct{ n, left, right Node }{
		{Node{0, 2}, Node{0, 1}, Node{1, 2}},
		{Node{0, 3}, Node{0, 2}, Node{2, 3}},
		{Node{0, 8}, Node{0, 4}, Node{4, 8}},
		{Node{0, 9}, Node{0, 8}, Node{8, 9}},
		{Node{4, 7}, Node{4, 6}, Node{6, 7}},
	} {
		if l, r := c.n.Children(); l != c.left || r != c.right {
			t.Errorf("children of %v are %v and %v, want %v and %v", c.n, l, r, c.left, c.right)
		}
	}
}
