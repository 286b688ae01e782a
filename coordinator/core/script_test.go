package core

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/textground/textground/proto"
)

var rewrite = flag.Bool("rewrite", false, "write what the machine does now into testdata/*.txt")

// Every script in testdata is a conversation: lines at the margin are events, indented lines are the actions that follow.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := replay(t, string(want))
			if *rewrite {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("%s differs (go test ./coordinator/core -rewrite, then read the diff):\n%s", file, diff)
			}
		})
	}
}

// script is a machine and what its events leave out: sequence numbers and what was reported before.
type script struct {
	t       *testing.T
	machine *Machine
	reports map[string]proto.Report
}

func replay(t *testing.T, text string) string {
	s := &script{t: t, reports: map[string]proto.Report{}}
	var out strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "  ") {
			continue
		}
		out.WriteString(line)
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(line, "#") {
			continue
		}
		for _, a := range s.run(fields[0], fields[1:]) {
			fmt.Fprintf(&out, "  %s\n", describe(a))
		}
	}
	return out.String()
}

func (s *script) run(verb string, args []string) []Action {
	if verb == "config" {
		s.configure(args)
		return nil
	}
	switch verb {
	case "waiting":
		return []Action{Note{Kind: "waiting", Text: s.machine.Waiting()}}
	case "deserted":
		return []Action{Note{Kind: "deserted", Text: strconv.FormatBool(s.machine.Deserted())}}
	}
	return s.machine.Handle(s.event(verb, args))
}

func (s *script) configure(args []string) {
	cfg := Config{Epoch: 1, Lanes: 4, Steps: 3, Volumes: 1, Class: "c", Base: proto.Base{Step: proto.Initial}, Known: map[int]string{},
		Rates:   func(step int) proto.Rates { return proto.Rates{Phase: 1, Count: step + 1} },
		Samples: func(step, lane int) []string { return []string{fmt.Sprintf("sample-%d-%d", step, lane)} }}
	for _, arg := range args {
		key, value, _ := strings.Cut(arg, "=")
		switch key {
		case "epoch":
			cfg.Epoch = uint64(s.number(value))
		case "lanes":
			cfg.Lanes = s.number(value)
		case "steps":
			cfg.Steps = s.number(value)
		case "stop-after":
			cfg.StopAfter = s.number(value)
		case "save-every":
			cfg.SaveEvery = s.number(value)
		case "save-at":
			cfg.SaveAt = s.numbers(value)
		case "volumes":
			cfg.Volumes = s.number(value)
		case "class":
			cfg.Class = value
		case "mixed":
			cfg.Mixed = true
		case "min":
			cfg.MinWorkers = s.number(value)
		case "base":
			cfg.Base = proto.Base{Step: s.number(value), Manifest: "manifest-" + value}
		case "known":
			step, digest, _ := strings.Cut(value, ":")
			cfg.Known[s.number(step)] = digest
		default:
			s.t.Fatalf("config: unknown key %q", key)
		}
	}
	m, err := New(cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	s.machine = m
}

func (s *script) event(verb string, args []string) Event {
	switch verb {
	case "tick":
		now, err := time.ParseDuration(args[0])
		if err != nil {
			s.t.Fatal(err)
		}
		return Tick{now}
	case "report":
		return Reported{s.report(args)}
	case "progress":
		return s.progress(args)
	case "conflict":
		lo, hi, _ := strings.Cut(args[2], "-")
		return Conflict{Step: s.number(args[0]), Exchange: exchangeNamed[args[1]], Node: proto.Node{Lo: s.number(lo), Hi: s.number(hi)}, Workers: args[3:]}
	case "sealed":
		e := Sealed{Step: s.number(args[0]), Nonce: args[1]}
		if len(args) > 2 {
			e.Fenced = args[2] == "fenced:"
			e.Err = errors.New(strings.Join(args[2:], " "))
		} else {
			e.Manifest = "manifest-" + args[0]
		}
		return e
	case "stop":
		return StopAsked{strings.Join(args, " ")}
	}
	s.t.Fatalf("unknown event %q", verb)
	return nil
}

// report changes what the worker said last: report NAME[/INSTANCE] key=value ...
func (s *script) report(args []string) proto.Report {
	name, instance, renewed := strings.Cut(args[0], "/")
	r, known := s.reports[name]
	if !known || renewed {
		if !renewed {
			instance = "1"
		}
		r = proto.Report{Worker: name, Instance: instance, Class: "c", Applied: proto.NoStep, Saved: proto.NoStep}
	}
	r.Sequence++
	for _, arg := range args[1:] {
		key, value, _ := strings.Cut(arg, "=")
		switch key {
		case "applied":
			step, digest, _ := strings.Cut(value, ":")
			r.Applied, r.Digest = s.number(step), digest
		case "class":
			r.Class = value
		case "epoch":
			r.Epoch = uint64(s.number(value))
		case "seq":
			r.Sequence = uint64(s.number(value))
		case "doing":
			r.Doing = value
		case "wrote":
			nonce, volumes, _ := strings.Cut(value, ":")
			r.Nonce, r.Volumes = nonce, map[int]string{}
			for _, v := range s.numbers(volumes) {
				r.Volumes[v] = fmt.Sprintf(`{"volume":%d}`, v)
			}
		case "save-failed":
			nonce, why, _ := strings.Cut(value, ":")
			r.Nonce, r.SaveFailed = nonce, why
		case "failed":
			r.Failed = value
		case "leaving":
			r.Leaving = true
		default:
			s.t.Fatalf("report: unknown key %q", key)
		}
	}
	s.reports[name] = r
	return r
}

var exchangeNamed = map[string]proto.Exchange{"texts": proto.Texts, "columns": proto.Columns, "gradients": proto.Gradients}

// progress STEP EXCHANGE [missing=1,2] [complete] [nonfinite=3] [sum-nonfinite]
func (s *script) progress(args []string) Progress {
	e := Progress{Step: s.number(args[0]), Exchange: exchangeNamed[args[1]]}
	for _, arg := range args[2:] {
		key, value, _ := strings.Cut(arg, "=")
		switch key {
		case "missing":
			e.Missing = s.numbers(value)
		case "complete":
			e.Complete = true
		case "nonfinite":
			e.NonFinite = s.numbers(value)
		case "sum-nonfinite":
			e.SumNonFinite = true
		default:
			s.t.Fatalf("progress: unknown key %q", key)
		}
	}
	return e
}

func (s *script) number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

func (s *script) numbers(text string) []int {
	var list []int
	for _, part := range strings.Split(text, ",") {
		list = append(list, s.number(part))
	}
	return list
}

// describe is an action on one line.
func describe(a Action) string {
	switch a := a.(type) {
	case Publish:
		return fmt.Sprintf("publish %s | %s", describeOrders(a.Orders), a.Why)
	case OpenStep:
		return fmt.Sprintf("open step %d (count %d)", a.Step, a.Rates.Count)
	case CloseSteps:
		return fmt.Sprintf("close steps up to %d | %s", a.UpTo, a.Why)
	case Commit:
		again := ""
		if a.Again {
			again = " again"
		}
		return fmt.Sprintf("commit step %d %s%s | %s", a.Step, a.Digest, again, a.Why)
	case Seal:
		return fmt.Sprintf("seal step %d %s %v | %s", a.Step, a.Nonce, a.Records, a.Why)
	case Abandon:
		return fmt.Sprintf("abandon step %d %s | %s", a.Step, a.Nonce, a.Why)
	case TakeClass:
		return fmt.Sprintf("take class %s | %s", a.Class, a.Why)
	case Note:
		return fmt.Sprintf("note %s: %s", a.Kind, a.Text)
	case Finish:
		return fmt.Sprintf("finish %s, sealed %d | %s", a.Outcome, a.Sealed, a.Reason)
	}
	panic(fmt.Sprintf("unknown action %T", a))
}

func describeOrders(o proto.Orders) string {
	parts := []string{fmt.Sprintf("#%d %s step %d", o.Sequence, o.Mode, o.Step)}
	if o.Digest != "" {
		parts = append(parts, "digest "+o.Digest)
	}
	if o.Turn > 0 {
		parts = append(parts, fmt.Sprintf("turn %d", o.Turn))
	}
	if len(o.Members) > 0 {
		parts = append(parts, "members "+strings.Join(o.Members, ","))
	}
	if len(o.Leases) > 0 {
		text := "leases"
		for _, l := range o.Leases {
			text += fmt.Sprintf(" %d:%s", l.Lane, l.Worker)
		}
		parts = append(parts, text)
	}
	if len(o.Texts) > 0 {
		text := "texts"
		for _, l := range o.Texts {
			text += fmt.Sprintf(" %d/%d:%s", l.Step, l.Lane, l.Worker)
		}
		parts = append(parts, text)
	}
	if o.Base != nil {
		parts = append(parts, fmt.Sprintf("base %d", o.Base.Step))
	}
	if len(o.Peers) > 0 {
		parts = append(parts, "peers "+describeMap(o.Peers))
	}
	if o.Save != nil {
		parts = append(parts, fmt.Sprintf("save %d %s %v", o.Save.Step, o.Save.Nonce, o.Save.Writers))
	}
	if len(o.Refused) > 0 {
		parts = append(parts, "refused "+describeMap(o.Refused))
	}
	return strings.Join(parts, ", ")
}

func describeMap(m map[string]string) string {
	var pairs []string
	for k, v := range m {
		pairs = append(pairs, k+"<"+v)
	}
	slices.Sort(pairs)
	return strings.Join(pairs, " ")
}
