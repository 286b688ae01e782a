package dataset

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/textground/textground/store"
)

// ErrNoShards says that there is nothing to index.
var ErrNoShards = errors.New("no shard (*.tar)")

// BuildIndex reads every shard under prefix once, in the order of their names, and writes their index. It is for shards
// that others wrote; progress, which may be nil, hears the number of shards read and of all.
func BuildIndex(ctx context.Context, st store.Store, prefix string, progress func(done, all int)) (*Index, error) {
	names, err := shardNames(ctx, st, prefix)
	if err != nil {
		return nil, err
	}
	var shards []Shard
	for i, name := range names {
		shard, err := readShardLine(ctx, st, prefix, name)
		if err != nil {
			return nil, err
		}
		shards = append(shards, shard)
		if progress != nil {
			progress(i+1, len(names))
		}
	}
	return WriteIndex(ctx, st, prefix, shards)
}

func shardNames(ctx context.Context, st store.Store, prefix string) ([]string, error) {
	objects, err := st.List(ctx, listPrefix(prefix))
	if err != nil {
		return nil, fmt.Errorf("listing the shards under %q in %s: %w", prefix, st, err)
	}
	var names []string
	for _, o := range objects {
		name := strings.TrimPrefix(o.Key, listPrefix(prefix))
		if strings.HasSuffix(name, ".tar.gz") || strings.HasSuffix(name, ".tgz") {
			return nil, &ShardError{Shard: name, Rule: "it is compressed, so that no sample can be read by its place", Mend: "unpack it to a .tar"}
		}
		if strings.HasSuffix(name, ".tar") {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%w under %q in %s; give the prefix that holds the shards", ErrNoShards, prefix, st)
	}
	return names, nil
}

func readShardLine(ctx context.Context, st store.Store, prefix, name string) (Shard, error) {
	r, err := st.Get(ctx, objectKey(prefix, name), 0, -1)
	if errors.Is(err, store.ErrNotExist) {
		return Shard{}, missingShard(st, name, err)
	}
	if err != nil {
		return Shard{}, fmt.Errorf("reading shard %s: %w", name, err)
	}
	defer r.Close()
	return scanShard(r, name)
}
