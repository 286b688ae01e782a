package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"time"

	"github.com/textground/textground/coordinator"
	"github.com/textground/textground/internal/atomicfile"
	"github.com/textground/textground/proto"
)

// runsDir is the directory of all runs on this machine, from --dir.
var runsDir string

// RunRecord is what a run's directory says about the run: enough to go on with it, by whoever comes next.
type RunRecord struct {
	Run     string        `json:"run"`
	Started time.Time     `json:"started"`
	Source  string        `json:"source"` // the run file's path when the run was started
	File    proto.RunFile `json:"file"`
	Lineage int           `json:"lineage"`
}

const recordFile = "run.json"

func runPath(id string) string { return filepath.Join(runsDir, id) }

// newRunID returns name and five random letters: unique enough for all who share a bucket.
func newRunID(name string) string {
	const letters = "abcdefghjkmnpqrstvwxyz23456789"
	var b [5]byte
	rand.Read(b[:])
	for i := range b {
		b[i] = letters[int(b[i])%len(letters)]
	}
	return fmt.Sprintf("%s-%s", name, b[:])
}

// writeRecord creates the run's directory.
func writeRecord(r RunRecord) error {
	if err := os.MkdirAll(filepath.Join(runPath(r.Run), "logs"), 0o755); err != nil {
		return err
	}
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(runPath(r.Run), recordFile), append(data, '\n'), 0o644)
}

// readRecord opens run id on this machine.
func readRecord(id string) (*RunRecord, error) {
	data, err := os.ReadFile(filepath.Join(runPath(id), recordFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, badInput(fmt.Sprintf("run %q is not in %s%s; list the runs with: textground ps --all", id, runsDir, nearestRun(id)))
	}
	if err != nil {
		return nil, err
	}
	var r RunRecord
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, badInput(fmt.Sprintf("%s: %v; the file is damaged, start a new run", filepath.Join(runPath(id), recordFile), err))
	}
	return &r, nil
}

// allRuns lists the runs of this machine, newest first.
func allRuns() []*RunRecord {
	entries, err := os.ReadDir(runsDir)
	if err != nil {
		return nil
	}
	var runs []*RunRecord
	for _, e := range entries {
		if r, err := readRecord(e.Name()); err == nil {
			runs = append(runs, r)
		}
	}
	sort.Slice(runs, func(i, j int) bool { return runs[i].Started.After(runs[j].Started) })
	return runs
}

// chooseRun returns run id, or the latest where id is empty.
func chooseRun(id string) (*RunRecord, error) {
	if id != "" {
		return readRecord(id)
	}
	runs := allRuns()
	if len(runs) == 0 {
		return nil, badInput(fmt.Sprintf("no run in %s; start one with: textground train examples/tiny.yaml", runsDir))
	}
	return runs[0], nil
}

// forgetRefused removes the directory of a run that was refused before it began, so that the latest run is one to go on with.
func forgetRefused(dir string, err error) {
	_, statErr := os.Stat(filepath.Join(dir, coordinator.JournalFile))
	if err == nil || codeOf(err) != exitBadInput || !errors.Is(statErr, fs.ErrNotExist) {
		return
	}
	os.RemoveAll(filepath.Join(dir, "logs"))
	os.Remove(filepath.Join(dir, recordFile))
	os.Remove(dir) // stays where it holds anything else
}

func nearestRun(id string) string {
	best, distance := "", 1+len(id)/2
	entries, _ := os.ReadDir(runsDir)
	for _, e := range entries {
		if d := proto.Distance(id, e.Name()); d < distance {
			best, distance = e.Name(), d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// busAddress says how to reach the bus of a run: its file is readable by its owner alone.
type busAddress struct {
	URL   string `json:"url"`
	Token string `json:"token,omitempty"`
}

const busFile = "bus.json"

func writeBusAddress(dir string, a busAddress) error {
	data, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(dir, busFile), data, 0o600)
}

func readBusAddress(dir string) (busAddress, error) {
	var a busAddress
	data, err := os.ReadFile(filepath.Join(dir, busFile))
	if err != nil {
		return a, fmt.Errorf("the run's bus: %w (is a coordinator running? start it with: textground resume)", err)
	}
	return a, json.Unmarshal(data, &a)
}
