package dataset

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/textground/textground/store"
)

// ErrNoShards says that there is nothing to index.
var ErrNoShards = errors.New("no shard (*.tar)")

// VersionsName is the name of the list of shards' versions beside an index that [UpdateIndex] wrote.
const VersionsName = "index.versions.json"

// IndexOptions says how shards that others wrote are indexed.
type IndexOptions struct {
	// CaptionField names the field of a sample's JSON object that has the caption where there is no text. Without it, the first of
	// caption, text and TEXT counts.
	CaptionField string
	// Again reads every shard, also those that have not changed since the last time.
	Again bool
	// Progress, which may be nil, hears the number of shards done and of all.
	Progress func(done, all int)
}

// IndexChanges says what UpdateIndex found.
type IndexChanges struct {
	Read    int      // shards that are new, or changed since the last time
	Kept    int      // shards with the size and version that they had
	Removed []string // shards that the last index had and that are gone
}

// BuildIndex reads every shard under prefix, in the order of their names, and writes their index. It is for shards that others wrote;
// progress, which may be nil, hears the number of shards read and of all.
func BuildIndex(ctx context.Context, st store.Store, prefix string, progress func(done, all int)) (*Index, error) {
	ix, _, err := UpdateIndex(ctx, st, prefix, IndexOptions{Again: true, Progress: progress})
	return ix, err
}

// UpdateIndex writes the index of the shards under prefix, several read at a time. A shard whose size and version (the store's entity
// tag or time of change) are those of the last time keeps its line; the others are read. Equal shards give an equal index, however it
// came about.
func UpdateIndex(ctx context.Context, st store.Store, prefix string, o IndexOptions) (*Index, IndexChanges, error) {
	objects, err := shardObjects(ctx, st, prefix)
	if err != nil {
		return nil, IndexChanges{}, err
	}
	known := map[string]Shard{}
	if !o.Again {
		known = knownShards(ctx, st, prefix, objects, o.CaptionField)
	}
	shards, err := scanAll(ctx, st, prefix, objects, known, o)
	if err != nil {
		return nil, IndexChanges{}, err
	}
	changes := IndexChanges{Kept: len(known), Read: len(objects) - len(known), Removed: removedShards(ctx, st, prefix, objects)}
	ix, err := writeIndex(ctx, st, prefix, newIndex(shards, nil, o.CaptionField))
	if err != nil {
		return nil, changes, err
	}
	return ix, changes, writeVersions(ctx, st, prefix, objects)
}

// shardObjects lists the shards, their keys cut to names below prefix.
func shardObjects(ctx context.Context, st store.Store, prefix string) ([]store.Info, error) {
	objects, err := st.List(ctx, listPrefix(prefix))
	if err != nil {
		return nil, fmt.Errorf("listing the shards under %q in %s: %w", prefix, st, err)
	}
	var shards []store.Info
	for _, o := range objects {
		o.Key = strings.TrimPrefix(o.Key, listPrefix(prefix))
		if strings.HasSuffix(o.Key, ".tar.gz") || strings.HasSuffix(o.Key, ".tgz") {
			return nil, &ShardError{Shard: o.Key, Rule: "it is compressed, so that no sample can be read by its place", Mend: "unpack it to a .tar"}
		}
		if strings.HasSuffix(o.Key, ".tar") {
			shards = append(shards, o)
		}
	}
	if len(shards) == 0 {
		return nil, fmt.Errorf("%w under %q in %s; give the prefix that holds the shards", ErrNoShards, prefix, st)
	}
	return shards, nil
}

// scanAll returns the line of every shard, in order: the known one, or one that is read now.
func scanAll(ctx context.Context, st store.Store, prefix string, objects []store.Info, known map[string]Shard, o IndexOptions) ([]Shard, error) {
	lines := make([]Shard, len(objects))
	var mu sync.Mutex
	done := 0
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(2 * runtime.GOMAXPROCS(0)) // some read while others compute digests
	for i, object := range objects {
		g.Go(func() (err error) {
			line, unchanged := known[object.Key]
			if !unchanged {
				line, err = readShardLine(ctx, st, prefix, object.Key, o.CaptionField)
			}
			mu.Lock()
			defer mu.Unlock()
			lines[i] = line
			done++
			if o.Progress != nil && err == nil {
				o.Progress(done, len(objects))
			}
			return err
		})
	}
	return lines, g.Wait()
}

// knownShards returns the lines of the last index that still hold. Whatever is wrong with that index, its shards are read again.
func knownShards(ctx context.Context, st store.Store, prefix string, objects []store.Info, captionField string) map[string]Shard {
	known := map[string]Shard{}
	last, versions := lastIndex(ctx, st, prefix), lastVersions(ctx, st, prefix)
	if last == nil || last.CaptionField != captionField {
		return known
	}
	lines := map[string]Shard{}
	for _, s := range last.Shards {
		lines[s.Name] = s
	}
	for _, o := range objects {
		if line, ok := lines[o.Key]; ok && line.Size == o.Size && o.Version != "" && versions[o.Key] == o.Version {
			known[o.Key] = line
		}
	}
	return known
}

func lastIndex(ctx context.Context, st store.Store, prefix string) *Index {
	data, err := readIndex(ctx, st, prefix)
	if err != nil {
		return nil
	}
	ix, err := decodeIndex(data)
	if err != nil {
		return nil
	}
	return ix
}

func lastVersions(ctx context.Context, st store.Store, prefix string) map[string]string {
	data, err := store.ReadAll(ctx, st, objectKey(prefix, VersionsName))
	var versions map[string]string
	if err != nil || json.Unmarshal(data, &versions) != nil {
		return nil
	}
	return versions
}

func writeVersions(ctx context.Context, st store.Store, prefix string, objects []store.Info) error {
	versions := map[string]string{}
	for _, o := range objects {
		versions[o.Key] = o.Version
	}
	data, err := json.MarshalIndent(versions, "", " ")
	if err != nil {
		return fmt.Errorf("encoding the versions of the shards: %w", err)
	}
	if err := st.Put(ctx, objectKey(prefix, VersionsName), append(data, '\n')); err != nil {
		return fmt.Errorf("writing the versions of the shards: %w", err)
	}
	return nil
}

// removedShards names what was there the last time.
func removedShards(ctx context.Context, st store.Store, prefix string, objects []store.Info) []string {
	gone := lastVersions(ctx, st, prefix)
	for _, o := range objects {
		delete(gone, o.Key)
	}
	return slices.Sorted(maps.Keys(gone))
}

func readShardLine(ctx context.Context, st store.Store, prefix, name, captionField string) (Shard, error) {
	r, err := st.Get(ctx, objectKey(prefix, name), 0, -1)
	if errors.Is(err, store.ErrNotExist) {
		return Shard{}, missingShard(st, name, err)
	}
	if err != nil {
		return Shard{}, fmt.Errorf("reading shard %s: %w", name, err)
	}
	defer r.Close()
	return scanShard(r, name, captionField)
}
