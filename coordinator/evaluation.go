package coordinator

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/textground/textground/internal/atomicfile"
)

// Evaluation is what a run could do after so many steps: one line of evaluations.jsonl. Whoever measures writes it; the
// coordinator only shows it.
type Evaluation struct {
	Step    int     `json:"step"` // steps committed; 0 is the untrained grounder
	MIoU    float64 `json:"miou"` // fraction
	Scenes  int     `json:"scenes"`
	Picture string  `json:"picture"` // a file of the run's directory of pictures
}

// picturesDir holds the pictures of a run's evaluations.
const picturesDir = "pictures"

// ReadEvaluations reads the evaluations of the run in dir, by rising step.
func ReadEvaluations(dir string) ([]Evaluation, error) {
	return readLines[Evaluation](dir, EvaluationsFile)
}

// AddEvaluation files an evaluation with its picture, a PNG, under the run in dir. The picture comes first and the lines
// are replaced as a whole, so that a reader, or a crash, never meets half of either. One process at a time may call it.
func AddEvaluation(dir string, e Evaluation, picture []byte) error {
	e.Picture = fmt.Sprintf("step-%06d.png", e.Step)
	if err := os.MkdirAll(filepath.Join(dir, picturesDir), 0o755); err != nil {
		return err
	}
	if err := atomicfile.Write(filepath.Join(dir, picturesDir, e.Picture), picture, 0o644); err != nil {
		return err
	}
	path := filepath.Join(dir, EvaluationsFile)
	lines, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("%s: %w", EvaluationsFile, err)
	}
	return atomicfile.Write(path, append(append(lines, line...), '\n'), 0o644)
}
