package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/textground/textground/checkpoint/safetensors"
	"github.com/textground/textground/checkpoint/torch"
	"github.com/textground/textground/dataset"
	"github.com/textground/textground/store"
	"github.com/textground/textground/tcl"
)

// weightsPlace is where a file of weights lies, with whatever belongs beside it: a directory, or a prefix in a store, out of
// which files are copied into a scratch directory.
type weightsPlace struct {
	dir    string
	source store.Store // nil for a directory
}

// openPlace takes a path, or the URL of an object, apart. The caller calls close.
func openPlace(ctx context.Context, name string) (*weightsPlace, string, error) {
	if !strings.Contains(name, "://") {
		return &weightsPlace{dir: filepath.Dir(name)}, filepath.Base(name), nil
	}
	i := strings.LastIndex(name, "/")
	if base := name[i+1:]; base == "" || strings.HasSuffix(name[:i+1], "://") {
		return nil, "", badInput(fmt.Sprintf("%s names no object; name one such as s3://bucket/clip/model.safetensors", name))
	}
	st, err := openStore(ctx, name[:i])
	if err != nil {
		return nil, "", err
	}
	dir, err := os.MkdirTemp("", "textground-import-")
	return &weightsPlace{dir, st}, name[i+1:], err
}

func (p *weightsPlace) close() {
	if p.source != nil {
		os.RemoveAll(p.dir)
	}
}

// file opens a file by its plain name. One that is not there gives fs.ErrNotExist.
func (p *weightsPlace) file(ctx context.Context, name string) (*os.File, error) {
	path := filepath.Join(p.dir, name)
	if p.source != nil {
		if err := p.fetch(ctx, name, path); err != nil {
			return nil, err
		}
	}
	return os.Open(path)
}

func (p *weightsPlace) fetch(ctx context.Context, key, path string) error {
	in, err := p.source.Get(ctx, key, 0, -1)
	if errors.Is(err, store.ErrNotExist) {
		return fmt.Errorf("%w: %w", err, fs.ErrNotExist)
	}
	if err != nil {
		return err
	}
	defer in.Close()
	return writeFile(path, func(w io.Writer) error {
		_, err := io.Copy(w, in)
		return err
	})
}

// small reads a file of at most a megabyte, or returns nil where there is none.
func (p *weightsPlace) small(ctx context.Context, name string) ([]byte, error) {
	f, err := p.file(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, 1<<20))
}

// foreignWeights is an opened file of weights, in pieces where its index says so.
type foreignWeights struct {
	format  string
	sha256  string
	bytes   int64
	source  tcl.Source
	ignored []string // classes of a PyTorch archive that were not interpreted
	files   []*os.File
}

func (w *foreignWeights) close() {
	for _, f := range w.files {
		f.Close()
	}
}

// openWeights opens name in place: safetensors, a PyTorch archive, or the index of several of those.
func openWeights(ctx context.Context, place *weightsPlace, name string) (*foreignWeights, error) {
	w := &foreignWeights{}
	if !strings.HasSuffix(name, ".index.json") {
		err := w.add(ctx, place, name)
		return w, err
	}
	index, err := w.read(ctx, place, name)
	if err != nil {
		return w, err
	}
	shards, err := safetensors.ParseShards(index)
	if err != nil {
		return w, badInput(fmt.Sprintf("%s: %v", name, err))
	}
	digest := sha256.New()
	digest.Write(index)
	for _, shard := range shards {
		if err := w.add(ctx, place, shard); err != nil {
			return w, fmt.Errorf("%s: %w", name, err)
		}
		digest.Write([]byte(w.sha256))
	}
	w.format = fmt.Sprintf("%s, in %d files", w.format, len(shards))
	w.sha256 = hex.EncodeToString(digest.Sum(nil))
	return w, nil
}

func (w *foreignWeights) read(ctx context.Context, place *weightsPlace, name string) ([]byte, error) {
	f, err := place.file(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, badInput(fmt.Sprintf("%v; name a .pt, .pth, .bin or .safetensors file, or a .safetensors.index.json", err))
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, safetensors.MaxHeaderBytes+1))
}

// add opens one file and puts its tensors to those that are there.
func (w *foreignWeights) add(ctx context.Context, place *weightsPlace, name string) error {
	f, err := place.file(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return badInput(fmt.Sprintf("%v; name a .pt, .pth, .bin or .safetensors file that is there", err))
	}
	if err != nil {
		return err
	}
	w.files = append(w.files, f)
	digest := sha256.New()
	size, err := io.Copy(digest, f)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	w.sha256 = hex.EncodeToString(digest.Sum(nil))
	w.bytes += size
	piece, err := w.parse(f, size)
	if err == nil {
		w.source, err = w.source.Join(piece)
	}
	if err != nil {
		return badInput(fmt.Sprintf("%s: %v", name, err))
	}
	return nil
}

// parse tells the two formats apart by their first bytes, and damaged files by their names.
func (w *foreignWeights) parse(f *os.File, size int64) (tcl.Source, error) {
	var head [9]byte
	n, _ := f.ReadAt(head[:], 0)
	isZip := strings.HasPrefix(string(head[:]), "PK")
	if n == len(head) && head[7] == 0 && head[8] == '{' || strings.HasSuffix(f.Name(), ".safetensors") && !isZip {
		w.format = "safetensors"
		parsed, err := safetensors.Open(f, size)
		if err != nil {
			return tcl.Source{}, err
		}
		return tcl.FromSafetensors(parsed), nil
	}
	w.format = "PyTorch archive"
	parsed, err := torch.Open(f, size)
	if err != nil {
		return tcl.Source{}, err
	}
	if parsed.Script {
		w.format = "TorchScript archive"
	}
	w.ignored = append(w.ignored, parsed.Ignored...)
	return tcl.FromTorch(parsed), nil
}

// vocabularyOf finds the built-in vocabulary of a text tower.
func vocabularyOf(file string, t tcl.Text) (string, error) {
	for _, name := range []string{"builtin:clip", "builtin:world"} {
		v, err := openVocabulary(name)
		if err != nil {
			return "", err
		}
		if v.Size() == t.Vocab {
			return name, nil
		}
	}
	return "", badInput(fmt.Sprintf("%s embeds %d ids, but CLIP's vocabulary has %d; take a model of OpenAI's tokenizer", file, t.Vocab, dataset.CLIPVocabulary().Size()))
}
