package coordinator

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/textground/textground/proto"
)

// badSamples remembers how many samples each worker process was said to have left out.
type badSamples struct {
	told map[string]int // by instance
}

// tellBadSamples writes down what a worker's loader left out, once it is more than was told and at least atLeast: whoever
// started the run hears of the first, and of every doubling, not of each of a thousand.
func (v *view) tellBadSamples(r proto.Report, atLeast int) error {
	total := 0
	for _, n := range r.BadSamples {
		total += n
	}
	if total < max(atLeast, v.bad.told[r.Instance]+1) {
		return nil
	}
	v.bad.told[r.Instance] = total
	text := fmt.Sprintf("%s: %d samples cannot be used (%s), others of their shards stand in; logs/%s.log names them, and so does textground data verify %s",
		r.Worker, total, countsText(r.BadSamples), r.Worker, v.c.File.Data.Shards)
	v.c.Log.Warn(text, "step", r.Applied)
	return appendLine(v.c.Dir, JournalFile, Entry{Time: v.now(), Epoch: v.c.Machine.Epoch, Step: r.Applied, Kind: "bad-samples", Text: text, Worker: r.Worker})
}

// tellAllBadSamples writes down what is left to tell at the end of the run.
func (v *view) tellAllBadSamples() error {
	for _, worker := range slices.Sorted(maps.Keys(v.reports)) {
		if err := v.tellBadSamples(v.reports[worker], 0); err != nil {
			return err
		}
	}
	return nil
}

// countsText is "2 not_an_image, 1 truncated", in the order of the reasons.
func countsText(counts map[string]int) string {
	var parts []string
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d %s", counts[reason], reason))
	}
	return strings.Join(parts, ", ")
}
