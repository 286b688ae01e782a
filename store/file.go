package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// directory keeps an object in the file of its key below root. Nothing is created before the first write.
type directory struct {
	root string
	sync func(*os.File) error // (*os.File).Sync, but for tests of a failing disk
}

// OpenDir returns the store in a directory, which need not exist yet. What writers that were killed left half-written is
// swept away.
func OpenDir(root string) (Store, error) {
	absolute, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("store %s: resolve the path: %w", root, err)
	}
	d := &directory{root: absolute, sync: (*os.File).Sync}
	if info, err := os.Stat(absolute); err == nil && !info.IsDir() {
		return nil, failure(d.String(), "open", "", errors.New("this is a file, not a directory: name a directory"))
	}
	if err := sweepScratch(d.scratchDir()); err != nil {
		return nil, failure(d.String(), "sweep half-written files", "", err)
	}
	return d, nil
}

func (d *directory) String() string { return "file://" + d.root }

func (d *directory) scratchDir() string { return filepath.Join(d.root, scratchName) }

func (d *directory) path(key string) string { return filepath.Join(d.root, filepath.FromSlash(key)) }

func (d *directory) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	body, err := d.get(ctx, key, offset, length)
	if err != nil {
		return nil, failure(d.String(), "get", key, explain(err))
	}
	return body, nil
}

func (d *directory) get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if err := before(ctx, key); err != nil {
		return nil, err
	}
	if err := checkRange(offset); err != nil {
		return nil, err
	}
	f, err := os.Open(d.path(key))
	if err != nil {
		return nil, err
	}
	section, err := sectionOf(f, offset, length)
	if err != nil {
		f.Close()
		return nil, err
	}
	return section, nil
}

// fileSection reads a range of a file and closes the file with it.
type fileSection struct {
	*io.SectionReader
	file *os.File
}

func (s fileSection) Close() error { return s.file.Close() }

func sectionOf(f *os.File, offset, length int64) (fileSection, error) {
	info, err := f.Stat()
	if err != nil {
		return fileSection{}, err
	}
	if info.IsDir() {
		return fileSection{}, ErrNotExist
	}
	begin, end, err := rangeOf(info.Size(), offset, length)
	if err != nil {
		return fileSection{}, err
	}
	return fileSection{io.NewSectionReader(f, begin, end-begin), f}, nil
}

func (d *directory) Stat(ctx context.Context, key string) (Info, error) {
	if err := before(ctx, key); err != nil {
		return Info{}, failure(d.String(), "stat", key, err)
	}
	info, err := os.Stat(d.path(key))
	if err == nil && info.IsDir() {
		err = ErrNotExist
	}
	if err != nil {
		return Info{}, failure(d.String(), "stat", key, explain(err))
	}
	return Info{Key: key, Size: info.Size(), Version: versionOf(info)}, nil
}

func (d *directory) Put(ctx context.Context, key string, data []byte) error {
	if err := d.publish(ctx, key, data, os.Rename); err != nil {
		return failure(d.String(), "put", key, explain(err))
	}
	return nil
}

// PutNew relies on link(2), which fails if the new name exists: the check and the creation are one.
func (d *directory) PutNew(ctx context.Context, key string, data []byte) error {
	if _, err := d.Stat(ctx, key); err == nil {
		return failure(d.String(), "create", key, ErrExists) // spares writing a volume in vain
	}
	if err := d.publish(ctx, key, data, os.Link); err != nil {
		return failure(d.String(), "create", key, explain(err))
	}
	return nil
}

// publish makes data durable under a scratch name, gives it its own name by move, and makes that durable too.
func (d *directory) publish(ctx context.Context, key string, data []byte, move func(from, to string) error) error {
	if err := before(ctx, key); err != nil {
		return err
	}
	if err := d.makeDir(d.scratchDir()); err != nil {
		return err
	}
	scratch, err := createScratch(d.scratchDir())
	if err != nil {
		return err
	}
	defer scratch.Close()
	defer os.Remove(scratch.Name())
	if _, err := scratch.Write(data); err != nil {
		return err
	}
	if err := d.sync(scratch); err != nil {
		return fmt.Errorf("make durable: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return d.name(scratch.Name(), d.path(key), move)
}

// name moves a durable scratch file to its target. A deletion may take the target's directory away while it is made and
// before the move, so both are tried again, a bounded number of times.
func (d *directory) name(scratch, target string, move func(from, to string) error) error {
	const attempts = 20
	var err error
	for range attempts {
		if err = d.makeDir(filepath.Dir(target)); err == nil {
			err = move(scratch, target)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if err != nil {
		return nested(target, err)
	}
	if err := d.syncDir(filepath.Dir(target)); err != nil {
		// Not known to be durable, so not published: a later success must not rest on this failure.
		if removal := os.Remove(target); removal != nil {
			return fmt.Errorf("make its name durable: %w, and take it back: %w", err, removal)
		}
		return fmt.Errorf("make its name durable: %w", err)
	}
	return nil
}

// nested explains what only a directory store refuses: an object below another object.
func nested(target string, err error) error {
	if errors.Is(err, syscall.ENOTDIR) {
		return errors.New("the key lies below another object's key")
	}
	if info, statErr := os.Stat(target); statErr == nil && info.IsDir() {
		return errors.New("other objects lie below this key")
	}
	return err
}

// makeDir creates dir and what is missing above it, each made durable in its parent.
func (d *directory) makeDir(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := d.makeDir(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := d.syncDir(parent); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("make the directory %s durable: %w", dir, err)
	}
	return nil
}

func (d *directory) syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return d.sync(f)
}

func (d *directory) List(ctx context.Context, prefix string) ([]Info, error) {
	infos, err := d.list(ctx, prefix)
	if err != nil {
		return nil, failure(d.String(), "list", prefix, explain(err))
	}
	return infos, nil
}

// list walks from the deepest directory that the prefix names whole. What vanishes on the way was deleted: no error.
func (d *directory) list(ctx context.Context, prefix string) ([]Info, error) {
	if err := beforeList(ctx, prefix); err != nil {
		return nil, err
	}
	start := d.root
	if cut := strings.LastIndexByte(prefix, '/'); cut >= 0 {
		start = d.path(prefix[:cut])
	}
	var out []Info
	err := filepath.WalkDir(start, func(path string, entry fs.DirEntry, err error) error {
		if isAbsent(err) {
			return nil
		}
		if err != nil {
			return err
		}
		if path == d.scratchDir() {
			return fs.SkipDir
		}
		info, ok, err := d.describe(path, entry)
		if ok && strings.HasPrefix(info.Key, prefix) {
			out = append(out, info)
		}
		return cmp.Or(err, ctx.Err())
	})
	sortByKey(out)
	return out, err
}

func (d *directory) describe(path string, entry fs.DirEntry) (Info, bool, error) {
	if entry.IsDir() {
		return Info{}, false, nil
	}
	info, err := os.Stat(path) // a link is described by what it names
	if errors.Is(err, fs.ErrNotExist) {
		return Info{}, false, nil
	}
	if err != nil {
		return Info{}, false, err
	}
	relative, err := filepath.Rel(d.root, path)
	return Info{Key: filepath.ToSlash(relative), Size: info.Size(), Version: versionOf(info)}, err == nil && info.Mode().IsRegular(), err
}

// versionOf is the time of a file's change, as finely as the file system keeps it.
func versionOf(info fs.FileInfo) string { return strconv.FormatInt(info.ModTime().UnixNano(), 10) }

// Delete also removes the directories that it leaves empty.
func (d *directory) Delete(ctx context.Context, key string) error {
	err := before(ctx, key)
	if err == nil {
		err = d.remove(d.path(key))
	}
	if err != nil {
		return failure(d.String(), "delete", key, explain(err))
	}
	return nil
}

func (d *directory) remove(path string) error {
	info, err := os.Lstat(path)
	if isAbsent(err) || err == nil && info.IsDir() {
		return nil
	}
	if err := os.Remove(path); err != nil && !isAbsent(err) {
		return err
	}
	dir := filepath.Dir(path)
	for ; dir != d.root; dir = filepath.Dir(dir) {
		if err := os.Remove(dir); err != nil && !isAbsent(err) {
			break // not empty
		}
	}
	if err := d.syncDir(dir); err != nil && !isAbsent(err) {
		return fmt.Errorf("make the deletion durable: %w", err)
	}
	return nil
}

// isAbsent also takes a file where a directory was expected for "there is no such key".
func isAbsent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// explain turns the operating system's errors into those of the package, with what to do.
func explain(err error) error {
	switch {
	case errors.Is(err, fs.ErrExist):
		return ErrExists
	case errors.Is(err, ErrNotExist):
		return err
	case isAbsent(err):
		return ErrNotExist
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%w (%w): free some space or inodes, or choose another directory", ErrNoSpace, err)
	case errors.Is(err, syscall.EFBIG):
		return fmt.Errorf("%w for so large a file (%w): raise the limit of this process (ulimit -f), or choose another file system", ErrNoSpace, err)
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w (%w): make the directory writable for this user, or choose another", ErrDenied, err)
	}
	return err
}
