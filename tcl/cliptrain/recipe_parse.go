package cliptrain

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/textground/textground/proto"
)

// defaults are the values of keys that are left out.
func defaults() Recipe {
	return Recipe{
		Seed: 1, Batch: 64, Vocabulary: "builtin:clip", Data: Data{Shards: "shards", Holes: Holes{Side: 2}},
		Concepts:  Concepts{Templates: []string{"{}"}},
		Optimiser: Optimiser{Rate: 1e-3, WarmupSteps: 100, Betas: [2]float64{0.9, 0.98}, Epsilon: 1e-6, WeightDecay: 0.1, Clip: 1},
		Store:     "file://runs/store", Device: "auto",
	}
}

// ParseRecipe is ReadRecipe for contents at hand; name stands in errors.
func ParseRecipe(name string, data []byte) (*Recipe, error) {
	if len(data) > proto.MaxRunFile {
		return nil, &proto.InputError{Line: fmt.Sprintf("recipe %s: %d bytes; a recipe has at most %d", name, len(data), proto.MaxRunFile)}
	}
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, yamlError(name, err)
	}
	if len(file.Docs) == 0 || file.Docs[0].Body == nil {
		return nil, &proto.InputError{Line: fmt.Sprintf("recipe %s: it is empty; begin with a copy of examples/world-clip.yaml", name)}
	}
	body := file.Docs[0].Body
	for _, n := range append(ast.Filter(ast.AnchorType, body), ast.Filter(ast.AliasType, body)...) {
		at := n.GetToken().Position
		return nil, &proto.InputError{Line: fmt.Sprintf("recipe %s:%d:%d: anchors and aliases are not allowed; write the value out", name, at.Line, at.Column)}
	}
	r := defaults()
	if err := yaml.NodeToValue(body, &r, yaml.Strict()); err != nil {
		return nil, yamlError(name, err)
	}
	for _, rule := range r.rules() {
		if rule.broken {
			return nil, ruleError(name, file, rule)
		}
	}
	return &r, nil
}

type rule struct {
	key    string
	broken bool
	text   string
}

// rules are what the types cannot refuse.
func (r *Recipe) rules() []rule {
	v, t, o, h := r.Vision, r.Text, r.Optimiser, r.Data.Holes
	list := []rule{
		{"steps", r.Steps < 1, "steps must be at least 1"},
		{"batch", r.Batch < 2, "batch must be at least 2: a pair is told from the others"},
		{"easy.steps", r.Easy.Steps < 0, "easy.steps must not be negative"},
		{"text.context", t.Context < 2, "text.context must be at least 2: start and end of a text"},
		{"vision.width", v.Width%4 != 0, "vision.width must be a multiple of 4: positions are sine and cosine of row and column"},
		{"data.world.scenes", r.Data.World != nil && r.Data.World.Scenes < r.Batch, "data.world.scenes must be at least batch"},
		{"data.world.per_shard", r.Data.World != nil && r.Data.World.PerShard < 1, "data.world.per_shard must be at least 1"},
		{"data.holes.chance", !unit(h.Chance), "data.holes.chance must lie in 0..1"},
		{"data.holes.most", !unit(h.Most), "data.holes.most must lie in 0..1"},
		{"data.holes.side", h.Side < 1, "data.holes.side must be at least 1"},
		{"loss.patches", !weight(r.Loss.Patches), "loss.patches must not be negative"},
		{"loss.concepts", !weight(r.Loss.Concepts), "loss.concepts must not be negative"},
		{"concepts.phrases", r.Loss.Concepts > 0 && len(r.Concepts.Phrases) == 0, "concepts.phrases must name some where loss.concepts is not 0"},
		{"concepts.templates", len(r.Concepts.Templates) == 0, "concepts.templates must name at least one; \"{}\" stands for the phrase"},
		{"optimiser.rate", !(o.Rate > 0) || math.IsInf(o.Rate, 0), "optimiser.rate must be positive"},
		{"optimiser.min_rate", !(o.MinRate >= 0 && o.MinRate <= o.Rate), "optimiser.min_rate must lie in 0..rate"},
		{"optimiser.warmup_steps", o.WarmupSteps < 0 || o.WarmupSteps >= max(r.Steps, 1), "optimiser.warmup_steps must lie in 0..steps-1"},
		{"optimiser.betas", !(unit(o.Betas[0]) && unit(o.Betas[1]) && o.Betas[0] < 1 && o.Betas[1] < 1), "optimiser.betas must lie in [0, 1)"},
		{"optimiser.epsilon", !(o.Epsilon > 0), "optimiser.epsilon must be positive"},
		{"optimiser.weight_decay", !weight(o.WeightDecay), "optimiser.weight_decay must not be negative"},
		{"optimiser.clip", !(o.Clip > 0), "optimiser.clip must be positive"},
		{"threads", r.Threads < 0, "threads must not be negative"},
	}
	if err := r.augment().Validate(); err != nil {
		list = append(list, rule{"data.augment", true, err.Error()})
	}
	if err := r.Config(1).Check(); err != nil {
		list = append(list, rule{"vision", true, err.Error()})
	}
	return list
}

func unit(x float64) bool   { return x >= 0 && x <= 1 }
func weight(x float64) bool { return x >= 0 && !math.IsInf(x, 0) }

// ruleError places a broken rule at its key in the file, or at the file where the key is not in it.
func ruleError(name string, file *ast.File, broken rule) error {
	line := fmt.Sprintf("recipe %s: %s", name, broken.text)
	path, err := yaml.PathString("$." + broken.key)
	if err != nil {
		return &proto.InputError{Line: line}
	}
	node, err := path.FilterFile(file)
	if err != nil || node == nil {
		return &proto.InputError{Line: line}
	}
	at := node.GetToken().Position
	detail, _ := path.AnnotateSource([]byte(file.String()), false)
	return &proto.InputError{Line: fmt.Sprintf("recipe %s:%d:%d: %s", name, at.Line, at.Column, broken.text), Detail: string(detail)}
}

// yamlError turns an error of the YAML library into one line with the place, then the source with a caret.
func yamlError(name string, err error) error {
	var unknown *yaml.UnknownFieldError
	var located yaml.Error
	_, detail, _ := strings.Cut(yaml.FormatError(err, false, true), "\n")
	switch {
	case errors.As(err, &unknown):
		at, key := unknown.Token.Position, unknown.Token.Value
		return &proto.InputError{Line: fmt.Sprintf("recipe %s:%d:%d: unknown key %q%s", name, at.Line, at.Column, key, hint(key)), Detail: detail}
	case errors.As(err, &located) && located.GetToken() != nil:
		at := located.GetToken().Position
		return &proto.InputError{Line: fmt.Sprintf("recipe %s:%d:%d: %s", name, at.Line, at.Column, located.GetMessage()), Detail: detail}
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	return &proto.InputError{Line: fmt.Sprintf("recipe %s: %s", name, line)}
}

// hint names the valid key nearest to a mistyped one, if any is near.
func hint(key string) string {
	best, distance := "", 1+len(key)/2
	for _, candidate := range keysOf(reflect.TypeFor[Recipe]()) {
		if d := proto.Distance(key, candidate); d < distance {
			best, distance = candidate, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

func keysOf(t reflect.Type) []string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	var list []string
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		list = append(append(list, name), keysOf(f.Type)...)
	}
	return list
}
