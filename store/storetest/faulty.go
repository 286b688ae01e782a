package storetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/textground/textground/store"
)

// Fault is what happens to one operation.
type Fault int

// The faults.
const (
	None       Fault = iota // the operation is passed on
	Fail                    // nothing is done, ErrInjected
	LoseAnswer              // it is done, but the caller hears ErrInjected
	Full                    // nothing is done, store.ErrNoSpace
	CutBody                 // Get: the body breaks off in the middle; other operations: Fail
)

// ErrInjected is the error of a planned fault.
var ErrInjected = errors.New("injected fault")

// Op is one operation on a Faulty store. Number counts from 0.
type Op struct {
	Number    int
	Name, Key string
}

// Writes tells whether the operation changes the store.
func (o Op) Writes() bool { return o.Name == "put" || o.Name == "create" || o.Name == "delete" }

// Faulty passes operations on to a real store unless its plan has a fault for them.
type Faulty struct {
	inner store.Store
	plan  func(Op) Fault

	mu  sync.Mutex
	ops []Op
}

// NewFaulty wraps st. plan is called once an operation, one call at a time, in the order of the operations.
func NewFaulty(st store.Store, plan func(Op) Fault) *Faulty {
	return &Faulty{inner: st, plan: plan}
}

// KillAt is the plan of a process that dies at operation n: nothing succeeds from there on. With done, operation n itself
// still reaches the store, and only its caller does not live to see it.
func KillAt(n int, done bool) func(Op) Fault {
	return func(op Op) Fault {
		switch {
		case op.Number < n:
			return None
		case op.Number == n && done:
			return LoseAnswer
		}
		return Fail
	}
}

// Ops returns the operations so far.
func (f *Faulty) Ops() []Op {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]Op(nil), f.ops...)
}

func (f *Faulty) String() string { return f.inner.String() }

// next numbers an operation and asks the plan.
func (f *Faulty) next(name, key string) (Op, Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	op := Op{Number: len(f.ops), Name: name, Key: key}
	f.ops = append(f.ops, op)
	return op, f.plan(op)
}

// run carries out one operation under its fault.
func (f *Faulty) run(name, key string, do func() error) error {
	op, fault := f.next(name, key)
	switch fault {
	case None:
		return do()
	case LoseAnswer:
		if err := do(); err != nil {
			return err
		}
	case Full:
		return fmt.Errorf("%s %s: %w", name, key, store.ErrNoSpace)
	}
	return fmt.Errorf("%s %s, operation %d: %w", name, key, op.Number, ErrInjected)
}

// Put is the real store's, under its fault.
func (f *Faulty) Put(ctx context.Context, key string, data []byte) error {
	return f.run("put", key, func() error { return f.inner.Put(ctx, key, data) })
}

// PutNew is the real store's, under its fault.
func (f *Faulty) PutNew(ctx context.Context, key string, data []byte) error {
	return f.run("create", key, func() error { return f.inner.PutNew(ctx, key, data) })
}

// Delete is the real store's, under its fault.
func (f *Faulty) Delete(ctx context.Context, key string) error {
	return f.run("delete", key, func() error { return f.inner.Delete(ctx, key) })
}

// Stat is the real store's, under its fault.
func (f *Faulty) Stat(ctx context.Context, key string) (info store.Info, err error) {
	err = f.run("stat", key, func() error {
		info, err = f.inner.Stat(ctx, key)
		return err
	})
	return info, err
}

// List is the real store's, under its fault.
func (f *Faulty) List(ctx context.Context, prefix string) (infos []store.Info, err error) {
	err = f.run("list", prefix, func() error {
		infos, err = f.inner.List(ctx, prefix)
		return err
	})
	if err != nil {
		return nil, err
	}
	return infos, nil
}

// Get is the real store's, under its fault.
func (f *Faulty) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	op, fault := f.next("get", key)
	if fault != None && fault != CutBody {
		return nil, fmt.Errorf("get %s, operation %d: %w", key, op.Number, ErrInjected)
	}
	body, err := f.inner.Get(ctx, key, offset, length)
	if err != nil || fault == None {
		return body, err
	}
	return cutBody{body}, nil
}

// cutBody hands out one short read, then breaks.
type cutBody struct{ io.ReadCloser }

func (c cutBody) Read(p []byte) (int, error) {
	n, _ := c.ReadCloser.Read(p[:min(len(p), 16)])
	return n, fmt.Errorf("read the body: %w", ErrInjected)
}
