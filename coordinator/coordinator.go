package coordinator

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/textground/textground/checkpoint"
	"github.com/textground/textground/coordinator/core"
	"github.com/textground/textground/exchange"
	"github.com/textground/textground/proto"
	"github.com/textground/textground/store"
)

// Config is one coordinator's life. Everything in it belongs to the caller and outlives the coordinator.
type Config struct {
	Run     string // its id
	Dir     string // its directory, for status and records
	PID     int
	Page    string // address of the live page; empty for none
	File    *proto.RunFile
	Bus     *exchange.Bus
	Store   store.Store
	Machine core.Config
	Sizes   Sizes
	Saver   *Saver // seals and retains
	Now     func() time.Time
	Log     hclog.Logger
}

// Sizes are the lengths of the exchanged vectors, in values.
type Sizes struct {
	Text     int    // of one lane's text embeddings, B*E
	Columns  int    // 2*N
	Gradient [3]int // by phase; [0] is unused
}

// Result is what a finished run comes to: the last line of --json.
type Result struct {
	Run             string             `json:"run"`
	Step            int                `json:"step"` // steps committed
	Losses          map[string]float64 `json:"losses"`
	ParamsSHA256    string             `json:"params_sha256"`
	Seconds         float64            `json:"seconds"`
	ImagesPerSecond float64            `json:"images_per_second"`
	Workers         int                `json:"workers"`
	Outcome         string             `json:"outcome"`
	Reason          string             `json:"reason,omitempty"`
}

// Coordinator leads one run.
type Coordinator struct {
	Config
	machine  *core.Machine
	hub      *exchange.Hub
	events   chan core.Event
	started  time.Time
	pageURL  string
	finish   *core.Finish
	finished time.Time
	sealing  sync.WaitGroup
	view     view
}

// How long the last orders are repeated after the end for workers that have not answered them by leaving.
const lingerFor = 3 * proto.ResendEvery

// tickEvery is the machine's clock.
const tickEvery = 50 * time.Millisecond

// New prepares a coordinator; Run starts it.
func New(cfg Config) (*Coordinator, error) {
	machine, err := core.New(cfg.Machine)
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", cfg.File.Name, err)
	}
	return &Coordinator{Config: cfg, machine: machine, events: make(chan core.Event, 1024)}, nil
}

// Run leads the run to its end. When ctx ends it seals what is committed and stops in good order. The error, if any, is the
// run's: one line that names what went wrong first.
func (c *Coordinator) Run(ctx context.Context) (*Result, error) {
	c.started = c.Now()
	c.view = newView(c)
	if err := c.open(); err != nil {
		return nil, err
	}
	defer c.hub.Close()
	stopReports, err := c.Bus.OnReport("*", func(r proto.Report) { c.events <- core.Reported{Report: r} })
	if err != nil {
		return nil, fmt.Errorf("listen for reports: %w", err)
	}
	defer stopReports()
	if c.Page != "" {
		url, stop, err := servePage(c.Page, c.Dir)
		if err != nil {
			return nil, err
		}
		defer stop()
		c.pageURL = url
	}
	if err := c.loop(ctx); err != nil {
		return nil, err
	}
	c.Log.Info("what became of the parts", "answers", c.hub.Counts())
	return c.result()
}

func (c *Coordinator) open() error {
	hub, err := exchange.NewHub(c.Bus, exchange.HubConfig{
		Lanes: c.Machine.Lanes, TextLen: c.Sizes.Text, ColumnsLen: c.Sizes.Columns, Keep: proto.MaxBehind,
		OnProgress: c.progressed, OnConflict: c.disagreed, Log: c.Log.Named("exchange"),
	})
	c.hub = hub
	return err
}

func (c *Coordinator) progressed(p exchange.Progress) {
	if p.Complete && p.Exchange == proto.Gradients {
		c.view.losses.put(p.Step, p.Losses)
	}
	c.events <- core.Progress{Step: p.Step, Exchange: p.Exchange, Missing: p.Missing, Complete: p.Complete, NonFinite: p.NonFinite, SumNonFinite: p.SumNonFinite}
}

func (c *Coordinator) disagreed(d exchange.Disagreement) {
	c.events <- core.Conflict{Step: d.Step, Exchange: d.Exchange, Node: d.Node, Workers: d.Workers[:]}
}

// Journal writes down something that happened before the machine ran, such as a checkpoint that cannot be used.
func (c *Coordinator) Journal(kind string, step int, text string) {
	c.Log.Warn(text, "kind", kind, "step", step)
	entry := Entry{Time: c.Now().UTC().Format(time.RFC3339Nano), Epoch: c.Machine.Epoch, Step: step, Kind: kind, Fault: true, Text: text}
	if err := appendLine(c.Dir, JournalFile, entry); err != nil {
		c.Log.Warn("the journal could not be written", "error", err)
	}
}

// loop feeds the machine until it has finished and everybody has had time to hear of it.
func (c *Coordinator) loop(ctx context.Context) error {
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	asked := ctx.Done()
	for {
		var event core.Event
		select {
		case event = <-c.events:
		case <-tick.C:
			event = core.Tick{Now: c.Now().Sub(c.started)}
		case <-asked:
			asked = nil
			event = core.StopAsked{Reason: "interrupted"}
		}
		if r, ok := event.(core.Reported); ok {
			if err := c.view.report(r.Report); err != nil {
				return err
			}
		}
		for _, action := range c.machine.Handle(event) {
			if err := c.carryOut(action); err != nil {
				return err
			}
		}
		c.view.write()
		if c.finish != nil && (c.machine.Deserted() || c.Now().Sub(c.finished) > lingerFor) {
			return nil
		}
	}
}

// carryOut does one thing that the machine asked for.
func (c *Coordinator) carryOut(action core.Action) error {
	switch a := action.(type) {
	case core.Publish:
		c.view.orders(a.Orders, a.Why)
		c.hub.Following(len(a.Orders.Peers) > 0)
		return c.Bus.PublishOrders(a.Orders)
	case core.OpenStep:
		return c.hub.Open(c.Machine.Epoch, a.Step, c.Sizes.Gradient[a.Rates.Phase], proto.EncodeRates(a.Rates))
	case core.CloseSteps:
		c.hub.CloseSteps(a.UpTo)
	case core.Commit:
		return c.view.commit(a)
	case core.Seal:
		c.sealing.Add(1)
		go func() {
			defer c.sealing.Done()
			c.seal(a)
		}()
	case core.Abandon:
		c.Log.Warn("save abandoned", "step", a.Step, "why", a.Why)
		if !a.Sealing {
			go c.discard(a)
		}
	case core.TakeClass:
		c.Saver.Identity.DeviceClass = a.Class
		c.Log.Info("device class of the run", "class", a.Class)
	case core.Note:
		return c.view.note(a)
	case core.Finish:
		c.finish, c.finished = &a, c.Now()
		return c.view.tellAllBadSamples()
	default:
		panic(fmt.Sprintf("coordinator: unknown action %T", action))
	}
	return nil
}

// sealWithin bounds the writing of one manifest: the store itself tries again during shorter outages.
const sealWithin = 5 * time.Minute

// seal writes the manifest of a save whose volumes are all written, then lets old checkpoints go. It runs beside the loop;
// the machine has one save in flight.
func (c *Coordinator) seal(a core.Seal) {
	ctx, cancel := context.WithTimeout(context.Background(), sealWithin)
	defer cancel()
	manifest, err := c.Saver.seal(ctx, a.Step, a.Nonce, a.Records)
	if err != nil {
		c.events <- core.Sealed{Step: a.Step, Nonce: a.Nonce, Err: err, Fenced: errors.Is(err, checkpoint.ErrFenced)}
		return
	}
	c.view.sealed(manifest)
	if _, err := c.Saver.retain(ctx); err != nil {
		c.Log.Warn("old checkpoints were not removed; the next save tries again", "error", err)
	}
	c.events <- core.Sealed{Step: a.Step, Nonce: a.Nonce, Manifest: manifest.Digest}
}

// discard frees the room that an abandoned save takes: a store that is full would refuse the next one for it.
func (c *Coordinator) discard(a core.Abandon) {
	ctx, cancel := context.WithTimeout(context.Background(), sealWithin)
	defer cancel()
	if err := c.Saver.discard(ctx, a.Step, a.Nonce); err != nil {
		c.Log.Warn("an abandoned save was not removed; the next one that is sealed sweeps it", "step", a.Step, "error", err)
	}
}

// result tells how the run ended and writes it down.
func (c *Coordinator) result() (*Result, error) {
	r := c.view.result()
	r.Outcome, r.Reason = string(c.finish.Outcome), c.finish.Reason
	if err := writeJSON(c.Dir, ResultFile, r); err != nil {
		return nil, err
	}
	if c.finish.Outcome == core.Failed || c.finish.Outcome == core.Fenced {
		return &r, errors.New(c.finish.Reason)
	}
	return &r, nil
}
