package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/textground/textground/segment/benchmark"
)

// shareLine is what a process says about its share: how far it is, and at last what it found, one part a subject.
type shareLine struct {
	Done  int               `json:"done,omitempty"`
	Parts []*benchmark.Part `json:"parts,omitempty"`
}

// serve computes the share of a process that another eval has started.
func (b *benchmarking) serve(c *cobra.Command, t *trial) error {
	ctx, cancel := parentGone(c.Context(), true)
	defer cancel()
	var i, n int
	if _, err := fmt.Sscanf(b.share, "%d/%d", &i, &n); err != nil || i < 0 || i >= n {
		return badInput(fmt.Sprintf("--share %q: write NUMBER/COUNT", b.share))
	}
	say := json.NewEncoder(c.OutOrStdout())
	parts, err := t.measure(ctx, t.set.Share(i, n), func(done int) { _ = say.Encode(shareLine{Done: done}) }) // a deaf parent ends us
	if err != nil {
		return err
	}
	return say.Encode(shareLine{Parts: parts})
}

// compute measures all subjects: share 0 in this process, the others in processes of their own.
func (b *benchmarking) compute(c *cobra.Command, e *evaluating, t *trial) ([]*benchmark.Part, error) {
	n := min(b.processes, len(t.set.Names))
	count := newTally(c.ErrOrStderr(), len(t.set.Names)*len(t.subjects), n)
	defer count.stop()
	card, err := t.handOut()
	if err != nil {
		return nil, err
	}
	defer os.Remove(card)
	shares := make([][]*benchmark.Part, n)
	group, ctx := errgroup.WithContext(c.Context())
	group.Go(func() (err error) {
		shares[0], err = t.measure(ctx, t.set.Share(0, n), count.of(0))
		return err
	})
	for i := 1; i < n; i++ {
		group.Go(func() (err error) {
			shares[i], err = runShare(ctx, b.shareArgs(e, t, card, i, n), count.of(i))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return t.join(shares)
}

// join puts the shares of each subject together and completes its card.
func (t *trial) join(shares [][]*benchmark.Part) ([]*benchmark.Part, error) {
	var joined []*benchmark.Part
	for k, s := range t.subjects {
		var parts []*benchmark.Part
		for _, share := range shares {
			if len(share) != len(t.subjects) {
				return nil, fmt.Errorf("a share came back with %d parts, not %d", len(share), len(t.subjects))
			}
			parts = append(parts, share[k])
		}
		whole, err := t.set.Join(parts...)
		if err != nil {
			return nil, err
		}
		s.card.MIoU, s.card.ConfusionSHA256 = t.set.Result(whole, s.card.Protocol).MIoU, whole.Digest()
		joined = append(joined, whole)
	}
	return joined, nil
}

// handOut writes the card by which other processes know what is asked of them.
func (t *trial) handOut() (string, error) {
	f, err := os.CreateTemp("", "textground-card-*.json")
	if err != nil {
		return "", err
	}
	return f.Name(), errors.Join(plainJSON(f).Encode(t.subjects[0].card), f.Close())
}

// shareArgs is the command line of one of the other processes.
func (b *benchmarking) shareArgs(e *evaluating, t *trial, card string, i, n int) []string {
	device, threads := b.deviceOf(&e.grounding, i)
	args := []string{"eval", "--dir", runsDir, "--like", card, "--data", b.data, "--share", fmt.Sprintf("%d/%d", i, n), "--device", device, "--threads", fmt.Sprint(threads)}
	for _, more := range [][2]string{{"--run", t.run}, {"--weights", e.grounding.weights}, {"--baseline", e.baseline}} {
		if more[1] != "" {
			args = append(args, more[0], more[1])
		}
	}
	return args
}

func (b *benchmarking) ownDevice(f *groundingFlags) (string, int) {
	if b.share != "" || b.processes == 1 {
		return f.device, f.threads
	}
	return b.deviceOf(f, 0)
}

// deviceOf deals cards out, one after the other, and cores, evenly.
func (b *benchmarking) deviceOf(f *groundingFlags, i int) (string, int) {
	device, threads := f.device, f.threads
	if cards := localDevices(device, nil); len(cards) > 0 {
		device = cards[i%len(cards)]
	}
	if threads == 0 {
		threads = max(1, runtime.NumCPU()/b.processes)
	}
	return device, threads
}

// runShare starts a process, follows it and returns what it found. When ctx ends so does the process.
func runShare(ctx context.Context, args []string, progress func(int)) ([]*benchmark.Part, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	var talk bytes.Buffer
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Stderr = &talk
	detach(cmd)
	alive, err := cmd.StdinPipe() // its end tells the process that we are gone
	if err != nil {
		return nil, err
	}
	defer alive.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	parts, readErr := readShare(out, progress)
	if err := cmd.Wait(); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		words, said := strings.CutPrefix(lastLine(talk.Bytes()), "textground: ")
		if said && cmd.ProcessState.ExitCode() == exitBadInput {
			return nil, badInput(words)
		}
		return nil, fmt.Errorf("a process of the evaluation ended: %w: %s", err, words)
	}
	return parts, readErr
}

// readShare reads what a process says until it is through.
func readShare(out io.Reader, progress func(int)) ([]*benchmark.Part, error) {
	defer func() { _, _ = io.Copy(io.Discard, out) }() // so that a process whose words are not understood can end
	for d := json.NewDecoder(out); ; {
		var line shareLine
		if err := d.Decode(&line); err != nil {
			return nil, fmt.Errorf("a process of the evaluation ended without a result: %w", err)
		}
		if line.Parts != nil {
			return line.Parts, nil
		}
		progress(line.Done)
	}
}

// tally adds up how far several processes are.
type tally struct {
	*counter
	mu   sync.Mutex
	done []int
}

func newTally(out io.Writer, all, processes int) *tally {
	return &tally{counter: newCounter(out, "images", all), done: make([]int, processes)}
}

// of returns where one of the processes tells how far it is.
func (t *tally) of(process int) func(done int) {
	return func(done int) {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.done[process] = done
		sum := 0
		for _, n := range t.done {
			sum += n
		}
		t.set(sum)
	}
}
