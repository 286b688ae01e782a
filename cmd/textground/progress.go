package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"github.com/textground/textground/coordinator"
)

// progress shows how far a run is: a bar on a terminal, a plain line every five seconds elsewhere.
type progress struct {
	end chan struct{}
	wg  sync.WaitGroup
}

const plainEvery = 5 * time.Second

// watchProgress follows the status in dir until stop. only, if not 0, is the step to stop after.
func watchProgress(dir string, steps, only int, out io.Writer) *progress {
	if only > 0 {
		steps = min(steps, only)
	}
	p := &progress{end: make(chan struct{})}
	p.wg.Add(1)
	go func() {
		defer p.wg.Done()
		if isTerminal(out) {
			p.bar(dir, steps, out)
		} else {
			p.lines(dir, steps, out)
		}
	}()
	return p
}

func (p *progress) stop() {
	close(p.end)
	p.wg.Wait()
}

func isTerminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb"
}

func (p *progress) bar(dir string, steps int, out io.Writer) {
	bars := mpb.New(mpb.WithOutput(out), mpb.WithWidth(48))
	var text string
	bar := bars.AddBar(int64(steps), mpb.PrependDecorators(decor.CountersNoUnit("step %d / %d ")),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return text })))
	news := newNews(dir)
	p.every(200*time.Millisecond, func() {
		news.tell(bars)
		if s, err := coordinator.ReadStatus(dir); err == nil {
			text = fmt.Sprintf(" %.1f images/s, %d workers  %s", s.ImagesPerSecond, countMembers(s), s.Page)
			bar.SetCurrent(int64(s.Committed + 1))
		}
	})
	bar.Abort(false)
	bars.Wait()
}

func (p *progress) lines(dir string, steps int, out io.Writer) {
	last, page := -1, ""
	news, spoken := newNews(dir), time.Now()
	p.every(200*time.Millisecond, func() {
		news.tell(out)
		s, err := coordinator.ReadStatus(dir)
		if err != nil {
			return
		}
		if s.Page != "" && s.Page != page {
			page = s.Page
			fmt.Fprintf(out, "live page %s\n", page)
		}
		stands := s.Committed+1 == last
		if stands && last == steps || time.Since(spoken) < plainEvery && (stands || s.Committed+1 < steps) {
			return
		}
		spoken = time.Now()
		if stands {
			fmt.Fprintln(out, s.Waiting)
			return
		}
		last = s.Committed + 1
		fmt.Fprintf(out, "step %d / %d, %.1f images/s, %d workers\n", last, steps, s.ImagesPerSecond, countMembers(s))
	})
}

// news prints what happens to a run, where the run was started: its journal and what its evaluations find.
type news struct {
	dir                  string
	journal, evaluations int // lines told
}

// startGrace is how long a coordinator may have been at work before its progress is watched.
const startGrace = 2 * time.Second

// newNews leaves out what was told at earlier starts of the run.
func newNews(dir string) *news {
	n := &news{dir: dir}
	started := time.Now().Add(-startGrace)
	entries, _ := coordinator.ReadJournal(dir)
	for _, e := range entries {
		if at, err := time.Parse(time.RFC3339Nano, e.Time); err == nil && at.Before(started) {
			n.journal++
		}
	}
	evaluations, _ := coordinator.ReadEvaluations(dir)
	n.evaluations = len(evaluations)
	return n
}

// tell prints what is new. A file that cannot be read now is read the next time.
func (n *news) tell(out io.Writer) {
	if entries, err := coordinator.ReadJournal(n.dir); err == nil {
		for _, e := range entries[min(n.journal, len(entries)):] {
			fmt.Fprintf(out, "step %d: %s\n", e.Step, e.Text)
		}
		n.journal = max(n.journal, len(entries))
	}
	if evaluations, err := coordinator.ReadEvaluations(n.dir); err == nil {
		for _, e := range evaluations[min(n.evaluations, len(evaluations)):] {
			fmt.Fprintf(out, "step %d: mIoU %.1f %% on %d held-out scenes\n", e.Step, 100*e.MIoU, e.Scenes)
		}
		n.evaluations = max(n.evaluations, len(evaluations))
	}
}

// every calls show on a timer and once more at the end.
func (p *progress) every(d time.Duration, show func()) {
	tick := time.NewTicker(d)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			show()
		case <-p.end:
			show()
			return
		}
	}
}

func countMembers(s *coordinator.Status) int {
	n := 0
	for _, w := range s.Workers {
		if w.Member() {
			n++
		}
	}
	return n
}
