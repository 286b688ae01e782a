package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/hashicorp/go-hclog"

	"github.com/textground/textground/dataset"
	"github.com/textground/textground/dataset/world"
	"github.com/textground/textground/proto"
	"github.com/textground/textground/store"
)

// openDrawn is assemble for the one who may draw the run's world first: the coordinator.
func openDrawn(ctx context.Context, file *proto.RunFile, log hclog.Logger) (*assembly, error) {
	st, err := openStore(ctx, file.Store)
	if err != nil {
		return nil, err
	}
	if file.Data.World != nil {
		if err := drawOnce(ctx, st, file.Data.Shards, *file.Data.World, log); err != nil {
			return nil, err
		}
	}
	return assemble(ctx, file)
}

// worldFile lies beside the index of a drawn world and says what was drawn, so that a run never trains on another one.
const worldFile = "world.json"

// drawOnce draws the world under prefix unless it is there already.
func drawOnce(ctx context.Context, st store.Store, prefix string, w proto.World, log hclog.Logger) error {
	want, err := json.Marshal(w)
	if err != nil {
		return err
	}
	have, err := store.ReadAll(ctx, st, path.Join(prefix, worldFile))
	switch {
	case err == nil && bytes.Equal(have, want):
		return nil
	case err == nil:
		return badInput(fmt.Sprintf("%s/%s holds another world (%s) than the run file asks for (%s); name another data.shards", st, prefix, have, want))
	case !errors.Is(err, store.ErrNotExist):
		return err
	}
	log.Info("drawing the world", "scenes", w.Scenes, "into", prefix)
	config := world.Config{Scenes: w.Scenes, Size: world.Size, Seed: w.Seed, Shuffled: w.Shuffled}
	err = world.WriteShards(ctx, st, prefix, config, w.PerShard, func(done int) { log.Info("drawn", "scenes", done, "of", w.Scenes) })
	if err != nil {
		return err
	}
	return st.Put(ctx, path.Join(prefix, worldFile), want)
}

// isBadInput tells errors that the user mends from those of the program or the machine.
func isBadInput(err error) bool {
	var index *dataset.IndexError
	var shard *dataset.ShardError
	var samples *dataset.BadSamplesError
	if errors.As(err, &index) || errors.As(err, &shard) || errors.As(err, &samples) {
		return true
	}
	return slices.ContainsFunc(usersToMend, func(kind error) bool { return errors.Is(err, kind) })
}

// usersToMend are errors of places that the user chose.
var usersToMend = []error{store.ErrNoBucket, store.ErrDenied, store.ErrUnreachable, store.ErrNoSpace, dataset.ErrNoShards, syscall.ENOSPC, syscall.EDQUOT,
	syscall.EADDRINUSE, syscall.EADDRNOTAVAIL}

// causeOf makes an error of the reason for which a run ended. It has come here from another process, as text.
func causeOf(reason string) error {
	if slices.ContainsFunc(usersToMend, func(kind error) bool { return strings.Contains(reason, kind.Error()) }) {
		return badInput(reason)
	}
	return errors.New(reason)
}
