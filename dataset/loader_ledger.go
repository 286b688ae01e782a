package dataset

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/go-hclog"
)

// BadSamplesError stops a run whose data is worse than it may be.
type BadSamplesError struct {
	Bad, Seen int
	Reasons   map[string]int
}

func (e *BadSamplesError) Error() string {
	var parts []string
	for _, reason := range slices.Sorted(maps.Keys(e.Reasons)) {
		parts = append(parts, fmt.Sprintf("%d %s", e.Reasons[reason], reason))
	}
	return fmt.Sprintf("%d of %d samples cannot be used (%s), more than the 1 %% that is allowed; see textground data verify", e.Bad, e.Seen, strings.Join(parts, ", "))
}

// allowedBad is how many of seen different samples may be bad: 1 %, and what chance adds to that in three standard
// deviations and two samples, so that a run with little to go on is not stopped by one broken file.
func allowedBad(seen int) int {
	expected := float64(seen) / 100
	return int(expected + 3*math.Sqrt(expected) + 2)
}

// ledger remembers which samples one loader has judged. Its verdicts depend on nothing but the samples; only whether a run
// is stopped depends on what this loader happened to see.
type ledger struct {
	index *Index
	log   hclog.Logger

	mu     sync.Mutex
	judged []uint64 // a bit for each sample
	seen   int
	bad    map[SampleID]*badSample
	counts map[string]int
}

func newLedger(ix *Index, log hclog.Logger) *ledger {
	return &ledger{index: ix, log: log, judged: make([]uint64, ix.Samples()/64+1), bad: map[SampleID]*badSample{}, counts: map[string]int{}}
}

// verdict returns why a sample is bad if that is known already.
func (l *ledger) verdict(id SampleID) *badSample {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bad[id]
}

// note enters a verdict: nil, or a *badSample, which is named in the log the first time. It returns an error when there
// are too many bad ones.
func (l *ledger) note(id SampleID, verdict error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if bit := uint64(1) << (id % 64); l.judged[id/64]&bit == 0 {
		l.judged[id/64] |= bit
		l.seen++
		if bad := (*badSample)(nil); errors.As(verdict, &bad) {
			l.bad[id] = bad
			l.counts[bad.reason]++
			l.log.Warn("a sample cannot be used, the next one of its shard stands in", "sample", l.index.Name(id), "reason", bad.reason, "detail", bad.err)
		}
	}
	if len(l.bad) > allowedBad(l.seen) {
		return &BadSamplesError{Bad: len(l.bad), Seen: l.seen, Reasons: maps.Clone(l.counts)}
	}
	return nil
}

func (l *ledger) reasons() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.counts)
}
