package golden

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// Report says how far a device is from a golden file.
type Report struct {
	File, Device string
	Groups       []Group
}

// Group holds the errors of tensors that share an error measure.
type Group struct {
	Name    string
	Measure string // what Error counts
	Entries []Entry
}

// Entry is the error of one tensor. It passes while Error is at most Bound; NaN fails.
type Entry struct {
	Tensor       string
	Error, Bound float64
}

// OK tells whether the entry is inside its bound.
func (e Entry) OK() bool { return e.Error <= e.Bound }

// Worst returns the entry that uses up most of its bound.
func (g Group) Worst() Entry {
	worst := g.Entries[0]
	for _, e := range g.Entries[1:] {
		if e.worseThan(worst) {
			worst = e
		}
	}
	return worst
}

// worseThan compares by the share of the bound, then by the error; failures come first.
func (e Entry) worseThan(other Entry) bool {
	if e.OK() != other.OK() {
		return !e.OK()
	}
	if e.Bound == 0 || other.Bound == 0 {
		return e.Error > other.Error
	}
	return e.Error/e.Bound > other.Error/other.Bound
}

// OK tells whether every tensor of the report is inside its bound.
func (r *Report) OK() bool {
	for _, g := range r.Groups {
		if !g.Worst().OK() {
			return false
		}
	}
	return true
}

// add puts an entry into the group of that name, which it makes where needed.
func (r *Report) add(group, measure string, e Entry) {
	for i := range r.Groups {
		if r.Groups[i].Name == group {
			r.Groups[i].Entries = append(r.Groups[i].Entries, e)
			return
		}
	}
	r.Groups = append(r.Groups, Group{group, measure, []Entry{e}})
}

// String is a table with the worst tensor of each group.
func (r *Report) String() string {
	return r.table(func(g Group) []Entry { return []Entry{g.Worst()} })
}

// Details is a table of every tensor.
func (r *Report) Details() string {
	return r.table(func(g Group) []Entry { return g.Entries })
}

func (r *Report) table(rows func(Group) []Entry) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s on %s\n", r.File, r.Device)
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "group\ttensors\tworst\terror\tbound\tmeasure\t")
	for _, g := range r.Groups {
		for _, e := range rows(g) {
			fmt.Fprintf(w, "%s\t%d\t%s\t%.2g\t%.2g\t%s\t%s\n", g.Name, len(g.Entries), e.Tensor, e.Error, e.Bound, g.Measure, verdict(e.OK()))
		}
	}
	w.Flush()
	return b.String()
}

func verdict(ok bool) string {
	if ok {
		return "ok"
	}
	return "OFF"
}
