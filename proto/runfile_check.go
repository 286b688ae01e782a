package proto

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// MaxRunFile bounds a run file in bytes.
const MaxRunFile = 1 << 20

// InputError is bad input of the user's: the command line exits with 2. Detail holds further lines, such as the source
// with a caret.
type InputError struct {
	Line   string
	Detail string
}

func (e *InputError) Error() string { return e.Line }

// check refuses what the types cannot: each rule names its key, and the error shows where the key stands.
func (r *RunFile) check(name string, file *ast.File) error {
	for _, rule := range r.rules() {
		if rule.broken {
			return ruleError(name, file, rule.key, rule.text)
		}
	}
	if err := CheckName("name", r.Name); err != nil {
		return ruleError(name, file, "name", err.Error())
	}
	return nil
}

type rule struct {
	key    string
	broken bool
	text   string
}

func (r *RunFile) rules() []rule {
	return []rule{
		{"steps", r.Steps < 1 || r.Steps > 1<<31-1, "steps must be at least 1"},
		{"phase2_from", r.Phase2From < 0 || r.Phase2From > r.Steps, fmt.Sprintf("phase2_from %d must lie in 0..steps (%d); equal to steps means no phase 2", r.Phase2From, r.Steps)},
		{"batch", r.Batch < 1 || r.Batch > 1<<20, "batch must lie in 1..1048576"},
		{"micro_batch", r.MicroBatch < 1, "micro_batch must be at least 1"},
		{"micro_batch", r.MicroBatch > 0 && r.Batch%r.MicroBatch != 0, fmt.Sprintf("micro_batch %d does not divide batch %d; try %d", r.MicroBatch, r.Batch, nearestDivisor(r.Batch, r.MicroBatch))},
		{"micro_batch", r.MicroBatch > 0 && r.Batch/r.MicroBatch > MaxLanes, fmt.Sprintf("more than %d lanes; raise micro_batch", MaxLanes)},
		{"model.clip", r.Model.CLIP == "", "model.clip is missing; name a safetensors file or builtin:world"},
		{"model.activation", r.Model.Activation != nil && !slices.Contains([]string{"quick_gelu", "gelu"}, *r.Model.Activation), "model.activation must be quick_gelu or gelu"},
		{"data.window", r.Data.Window < 1, "data.window must be at least 1"},
		{"data.world.scenes", r.Data.World != nil && r.Data.World.Scenes < r.Batch, "data.world.scenes must be at least batch"},
		{"data.world.per_shard", r.Data.World != nil && r.Data.World.PerShard < 1, "data.world.per_shard must be at least 1"},
		{"optimiser.rate", !(r.Optimiser.Rate > 0) || math.IsInf(r.Optimiser.Rate, 0), "optimiser.rate must be positive"},
		{"optimiser.min_rate", !(r.Optimiser.MinRate >= 0) || r.Optimiser.MinRate > r.Optimiser.Rate, "optimiser.min_rate must lie in 0..rate"},
		{"optimiser.warmup_steps", r.Optimiser.WarmupSteps < 0, "optimiser.warmup_steps must not be negative"},
		{"optimiser.betas", !inUnit(r.Optimiser.Betas[0]) || !inUnit(r.Optimiser.Betas[1]), "optimiser.betas must lie in [0, 1)"},
		{"optimiser.epsilon", !(r.Optimiser.Epsilon > 0), "optimiser.epsilon must be positive"},
		{"optimiser.weight_decay", !(r.Optimiser.WeightDecay >= 0), "optimiser.weight_decay must not be negative"},
		{"optimiser.clip", !(r.Optimiser.Clip > 0), "optimiser.clip must be positive"},
		{"masks.tau", !(r.Masks.Tau > 0), "masks.tau must be positive"},
		{"loss.prior", !(r.Loss.Prior >= 0 && r.Loss.Prior <= 1), "loss.prior must lie in 0..1"},
		{"checkpoint.every", r.Checkpoint.Every < 0, "checkpoint.every must not be negative"},
		{"checkpoint.keep", r.Checkpoint.Keep < 1, "checkpoint.keep must be at least 1"},
		{"evaluation.scenes", r.Evaluation.Scenes < 1, "evaluation.scenes must be at least 1"},
		{"evaluation.every", r.Evaluation.Every < 0, "evaluation.every must not be negative; 0 is never"},
		{"evaluation.every", r.Evaluation.Every > 0 && r.Data.World == nil, "evaluation.every measures on scenes of data.world, which this run file does not have; leave it out and measure checkpoints with: textground eval"},
		{"workers", r.Workers < 1 || r.Workers > MaxLanes, "workers must be at least 1; for a coordinator alone use: textground coordinator"},
		{"threads", r.Threads < 0, "threads must not be negative"},
	}
}

func inUnit(x float64) bool { return x >= 0 && x < 1 }

func nearestDivisor(n, near int) int {
	for d := range n {
		for _, c := range []int{near - d, near + d} {
			if c >= 1 && c <= n && n%c == 0 {
				return c
			}
		}
	}
	return 1
}

// ruleError places text at key in the file; a key that is not in the file stands at its parent or at the file.
func ruleError(name string, file *ast.File, key, text string) error {
	path, err := yaml.PathString("$." + key)
	if err == nil {
		if node, err := path.FilterFile(file); err == nil && node != nil {
			at := node.GetToken().Position
			detail, _ := path.AnnotateSource([]byte(file.String()), false)
			return &InputError{Line: fmt.Sprintf("run file %s:%d:%d: %s", name, at.Line, at.Column, text), Detail: string(detail)}
		}
	}
	return &InputError{Line: fmt.Sprintf("run file %s: %s", name, text)}
}

// syntaxError turns an error of the YAML library into ours: one line with the place, then the source with a caret.
func syntaxError(name string, err error) error {
	var unknown *yaml.UnknownFieldError
	if errors.As(err, &unknown) {
		at := unknown.Token.Position
		key := unknown.Token.Value
		hint := ""
		if near := nearestKey(key); near != "" {
			hint = fmt.Sprintf("; did you mean %q?", near)
		}
		return &InputError{Line: fmt.Sprintf("run file %s:%d:%d: unknown key %q%s", name, at.Line, at.Column, key, hint), Detail: caret(err)}
	}
	var located yaml.Error
	if errors.As(err, &located) && located.GetToken() != nil {
		at := located.GetToken().Position
		return &InputError{Line: fmt.Sprintf("run file %s:%d:%d: %s", name, at.Line, at.Column, located.GetMessage()), Detail: caret(err)}
	}
	return &InputError{Line: fmt.Sprintf("run file %s: %s", name, strings.SplitN(err.Error(), "\n", 2)[0])}
}

// caret returns the source excerpt of the library's message: everything behind its first line.
func caret(err error) string {
	_, rest, _ := strings.Cut(yaml.FormatError(err, false, true), "\n")
	return rest
}

// nearestKey returns the valid key (its last part) closest to key, if any is close.
func nearestKey(key string) string {
	best, distance := "", 1+len(key)/2
	for _, candidate := range keys(reflect.TypeFor[RunFile](), nil) {
		if d := Distance(key, candidate); d < distance {
			best, distance = candidate, d
		}
	}
	return best
}

func keys(t reflect.Type, out []string) []string {
	for i := range t.NumField() {
		f := t.Field(i)
		out = append(out, yamlName(f))
		ft := f.Type
		if ft.Kind() == reflect.Pointer {
			ft = ft.Elem()
		}
		if ft.Kind() == reflect.Struct {
			out = keys(ft, out)
		}
	}
	return out
}

// Distance is the number of insertions, deletions and substitutions between a and b, for hints about mistyped words.
func Distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}

func errNoPath(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
