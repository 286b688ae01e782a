package store

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
)

// liar is a store that breaks one promise.
type liar struct {
	Store
	overwrites, hidesFromList, forgets bool
}

func (l liar) PutNew(ctx context.Context, key string, data []byte) error {
	if l.overwrites {
		return l.Put(ctx, key, data)
	}
	return l.Store.PutNew(ctx, key, data)
}

func (l liar) List(ctx context.Context, prefix string) ([]Info, error) {
	if l.hidesFromList {
		return nil, nil
	}
	return l.Store.List(ctx, prefix)
}

func (l liar) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if l.forgets {
		return io.NopCloser(bytes.NewReader(nil)), nil
	}
	return l.Store.Get(ctx, key, offset, length)
}

func TestTheProbeRefusesAStoreThatLies(t *testing.T) {
	for want, st := range map[string]liar{
		"both succeed":       {overwrites: true},
		"it lists []":        {hidesFromList: true},
		"keeps the bytes of": {forgets: true},
	} {
		st.Store = NewMem()
		err := Probe(t.Context(), st)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "not safe for checkpoints") || strings.Contains(err.Error(), "\n") {
			t.Errorf("want %q, got %v", want, err)
		}
		if infos, err := st.Store.List(t.Context(), ""); err != nil || len(infos) > 0 {
			t.Errorf("left behind: %v, %v", infos, err)
		}
	}
}
