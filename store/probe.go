package store

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
)

const probeRounds = 4

// Probe tries what a run's safety rests on, under a scratch key that it removes again: creating a key twice is refused,
// of two concurrent creators one wins, and what was written is read and listed at once. A store that fails is named with
// what it did; no run should start on it. A coordinator calls this once at start.
func Probe(ctx context.Context, st Store) error {
	dir := "probe/" + rand.Text() // random, so that probes do not meet; no number depends on it
	var err error
	for round := 0; round < probeRounds && err == nil; round++ {
		err = probeRound(ctx, st, fmt.Sprintf("%s/%d", dir, round))
	}
	if err != nil {
		return fmt.Errorf("store %s is not safe for checkpoints: %w: choose another store", st, err)
	}
	return nil
}

func probeRound(ctx context.Context, st Store, key string) (err error) {
	defer func() {
		// Also after a failure or an interrupt: nothing of the probe shall stay.
		if cleanup := st.Delete(context.WithoutCancel(ctx), key); err == nil && cleanup != nil {
			err = fmt.Errorf("the probe's object cannot be removed: %w", cleanup)
		}
	}()
	content, err := raceTwo(ctx, st, key)
	if err != nil {
		return err
	}
	if err := st.PutNew(ctx, key, []byte("late")); err == nil {
		return errors.New("it lets a second create-only write replace the first")
	} else if !errors.Is(err, ErrExists) {
		return fmt.Errorf("a second create-only write fails, but not because the key exists: %w", err)
	}
	return probeReads(ctx, st, key, content)
}

func probeReads(ctx context.Context, st Store, key string, content []byte) error {
	got, err := ReadAll(ctx, st, key)
	if err != nil {
		return fmt.Errorf("what was just written cannot be read: %w", err)
	}
	if !bytes.Equal(got, content) {
		return fmt.Errorf("it returns %d other bytes than the %d just written", len(got), len(content))
	}
	infos, err := st.List(ctx, key)
	if err != nil {
		return fmt.Errorf("what was just written cannot be listed: %w", err)
	}
	if len(infos) != 1 || infos[0].Key != key || infos[0].Size != int64(len(content)) {
		return fmt.Errorf("it lists %v for the key just written", infos)
	}
	return nil
}

// raceTwo has two writers create key at once and returns the content that stands. Nobody may have won when both answers
// were lost on the way and came back as "exists"; what may not be is two winners, or a winner whose bytes are not there.
func raceTwo(ctx context.Context, st Store, key string) ([]byte, error) {
	contents := [2][]byte{[]byte("first"), []byte("second")}
	var results [2]error
	var writers sync.WaitGroup
	for i := range contents {
		writers.Go(func() { results[i] = st.PutNew(ctx, key, contents[i]) })
	}
	writers.Wait()
	winner := -1
	for i, err := range results {
		switch {
		case err == nil && winner >= 0:
			return nil, errors.New("it lets two concurrent create-only writes both succeed")
		case err == nil:
			winner = i
		case !errors.Is(err, ErrExists):
			return nil, fmt.Errorf("a create-only write fails: %w", err)
		}
	}
	stands, err := ReadAll(ctx, st, key)
	if err != nil {
		return nil, fmt.Errorf("what was just created cannot be read: %w", err)
	}
	if winner >= 0 && !bytes.Equal(stands, contents[winner]) {
		return nil, errors.New("it reports success to one concurrent writer and keeps the bytes of another")
	}
	return stands, nil
}
