package coordinator

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/textground/textground/internal/atomicfile"
	"github.com/textground/textground/tcl"
)

// Files of a run's directory. The .jsonl files have one JSON object a line and only grow.
const (
	MetricsFile     = "metrics.jsonl"
	JournalFile     = "journal.jsonl"
	EvaluationsFile = "evaluations.jsonl"
	StatusFile      = "status.json"
	ResultFile      = "result.json"
)

// Metrics is one committed step.
type Metrics struct {
	Step            int                `json:"step"`
	Time            string             `json:"time"` // RFC 3339
	Losses          map[string]float64 `json:"losses"`
	Rate            float64            `json:"lr"`
	GradNorm        float64            `json:"grad_norm"`
	Scale           float64            `json:"w"`
	Bias            float64            `json:"b"`
	Gates           []float64          `json:"gates"`
	ImagesPerSecond float64            `json:"images_per_second"`
	Members         int                `json:"workers"`
	Digest          string             `json:"digest"`
}

// Entry is one line of the journal: a fault or another event worth telling.
type Entry struct {
	Time   string `json:"time"`
	Epoch  uint64 `json:"epoch"`
	Step   int    `json:"step"`
	Kind   string `json:"kind"`
	Fault  bool   `json:"fault"`
	Text   string `json:"text"`
	Worker string `json:"worker,omitempty"`
	Lanes  []int  `json:"lanes,omitempty"`
}

// Status is the run at one moment: what ps, top and the page show.
type Status struct {
	Run             string         `json:"run"`
	Mode            string         `json:"mode"`
	Epoch           uint64         `json:"epoch"`
	PID             int            `json:"pid"` // of the coordinator
	Page            string         `json:"page"`
	Step            int            `json:"step"`
	Committed       int            `json:"committed"`
	Steps           int            `json:"steps"`
	ImagesPerSecond float64        `json:"images_per_second"`
	Why             string         `json:"why"`     // the reason of the latest decision
	Waiting         string         `json:"waiting"` // what the run waits for, and whom
	Sealed          int            `json:"sealed"`
	Time            string         `json:"time"`
	Workers         []WorkerStatus `json:"workers"`
}

// WorkerStatus is one worker of a Status.
type WorkerStatus struct {
	Name   string `json:"name"`
	PID    int    `json:"pid"`
	Step   int    `json:"step"` // the last step applied
	Lanes  []int  `json:"lanes"`
	Device string `json:"device"`
	Host   string `json:"host"`
	Role   string `json:"role"` // member, follower, ahead, leaving, refused, silent, failed
	Doing  string `json:"doing"`

	BadSamples map[string]int `json:"bad_samples,omitempty"` // left out so far, by reason
}

func namedLosses(sum []float64) map[string]float64 {
	named := make(map[string]float64, len(tcl.LossNames))
	for i, name := range tcl.LossNames {
		if i < len(sum) {
			named[name] = sum[i]
		}
	}
	return named
}

// appendLine adds v as one line of a .jsonl file of dir. A line that does not fit on the disk is taken back: the next one
// would be written behind its half, and both lost.
func appendLine(dir, name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	before, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if _, err = f.Write(append(data, '\n')); err != nil {
		return errors.Join(fmt.Errorf("the run's records: %w: make room, then go on with textground resume", err), f.Truncate(before))
	}
	return nil
}

// writeJSON replaces a file of dir.
func writeJSON(dir, name string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return atomicfile.Write(filepath.Join(dir, name), append(data, '\n'), 0o644)
}

// ReadMetrics reads the committed steps on record. A last line that a crash cut short is left out.
func ReadMetrics(dir string) ([]Metrics, error) { return readLines[Metrics](dir, MetricsFile) }

// ReadJournal reads the journal of the run in dir.
func ReadJournal(dir string) ([]Entry, error) { return readLines[Entry](dir, JournalFile) }

func readLines[T any](dir, name string) ([]T, error) {
	f, err := os.Open(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out []T
	scanner := bufio.NewScanner(f)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		var v T
		if json.Unmarshal(scanner.Bytes(), &v) == nil {
			out = append(out, v)
		}
	}
	return out, scanner.Err()
}

// ReadStatus reads the latest status of the run in dir.
func ReadStatus(dir string) (*Status, error) {
	data, err := os.ReadFile(filepath.Join(dir, StatusFile))
	if err != nil {
		return nil, err
	}
	var s Status
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("%s: %w", StatusFile, err)
	}
	return &s, nil
}

// Member reports whether the worker takes part in committing steps.
func (w WorkerStatus) Member() bool { return w.Role == "member" }
