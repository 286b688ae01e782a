package dataset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// directoryShelf keeps shards as files named by their digest, so that several processes and data sets may share the directory and a
// later process finds them again. It works by locks on files, which end with their process:
//
//   - DIGEST.tar is a whole shard. Whoever reads it holds a shared lock; whoever makes room takes an exclusive one first, and so never
//     removes what is read, by whatever process.
//   - DIGEST.SIZE.part is a shard being fetched. Its writer holds an exclusive lock, for which others wait: nothing is fetched twice.
//     The lock of a process that died is free, and the next one goes on after the bytes that are there.
//   - room.lock is held while room is made for another shard, so that the budget is kept by all processes together.
//
// The files' times say which was used longest ago.
type directoryShelf struct {
	dir    string
	budget int64

	mu      sync.Mutex
	checked map[string]fs.FileInfo // by digest, the file whose digest this process has seen

	over atomic.Bool // the budget is passed, for shards that are in use
}

// directoryBook is a whole shard, locked while it is open.
type directoryBook struct {
	*os.File
	shelf *directoryShelf
}

// Close ends the lock, and gives back what the budget was passed by.
func (b directoryBook) Close() error {
	err := b.File.Close()
	if b.shelf.over.Load() {
		_ = b.shelf.trim() // the next shard will try again, and says what fails
	}
	return err
}

const (
	wholeSuffix  = ".tar"
	draftSuffix  = ".part"
	lockInterval = 20 * time.Millisecond // between two looks at a lock that another process holds
)

func (d *directoryShelf) wholePath(s *Shard) string {
	return filepath.Join(d.dir, s.SHA256+wholeSuffix)
}

func (d *directoryShelf) draftPath(s *Shard) string {
	return filepath.Join(d.dir, s.SHA256+"."+strconv.FormatInt(s.Size, 10)+draftSuffix)
}

func (d *directoryShelf) find(s *Shard) (book, bool, error) {
	f, err := os.Open(d.wholePath(s))
	if err != nil {
		return nil, false, err
	}
	if flock(f, syscall.LOCK_SH|syscall.LOCK_NB) != nil || !hasName(f) { // it is being removed, or was
		f.Close()
		return nil, false, fs.ErrNotExist
	}
	now := time.Now()
	_ = os.Chtimes(f.Name(), now, now) // another user's file keeps its time, and goes earlier
	return directoryBook{f, d}, d.wasChecked(s, f), nil
}

// wasChecked reports whether the caller has been told to check this file before.
func (d *directoryShelf) wasChecked(s *Shard, f *os.File) bool {
	info, err := f.Stat()
	if err != nil {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	before := d.checked[s.SHA256]
	d.checked[s.SHA256] = info
	return before != nil && os.SameFile(before, info) && before.Size() == info.Size()
}

func (d *directoryShelf) remove(s *Shard) {
	d.mu.Lock()
	delete(d.checked, s.SHA256)
	d.mu.Unlock()
	os.Remove(d.wholePath(s))
}

func (d *directoryShelf) put(ctx context.Context, s *Shard, fill func(draft) error) (book, error) {
	b, err := d.fill(ctx, s, fill)
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG) {
		return nil, fmt.Errorf("the disk of the shard cache %s is full; free some space, take another directory, or allow the cache less: %w", d.dir, err)
	}
	return b, err
}

func (d *directoryShelf) fill(ctx context.Context, s *Shard, fill func(draft) error) (book, error) {
	f, whole, err := d.begin(ctx, s)
	if whole != nil || err != nil {
		return whole, err
	}
	if err := fill(fileDraft{f}); err != nil {
		f.Close() // what has arrived stays for the next attempt
		return nil, err
	}
	if err := d.publish(f, s); err != nil {
		f.Close()
		return nil, fmt.Errorf("putting shard %s into the cache %s: %w", s.Name, d.dir, err)
	}
	if err := flock(f, syscall.LOCK_SH); err != nil {
		f.Close()
		return nil, fmt.Errorf("sharing shard %s in the cache %s: %w", s.Name, d.dir, err)
	}
	d.wasChecked(s, f)
	return directoryBook{f, d}, nil
}

// publish gives a complete draft its name. Whoever counts what is there meanwhile would miss it under both names.
func (d *directoryShelf) publish(f *os.File, s *Shard) error {
	room, err := d.lockRoom()
	if err != nil {
		return err
	}
	defer room.Close()
	return os.Rename(f.Name(), d.wholePath(s))
}

// begin returns the draft of a shard, locked, once nobody else writes it; or the whole shard if another process completed it.
func (d *directoryShelf) begin(ctx context.Context, s *Shard) (f *os.File, whole book, err error) {
	for {
		if f, err = d.openDraft(s); err != nil {
			return nil, nil, err
		}
		err = flock(f, syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil && hasName(f) {
			if b := d.sound(s); b != nil { // completed between the first look and the lock
				os.Remove(f.Name())
				f.Close()
				return nil, b, nil
			}
			return f, nil, nil
		}
		f.Close()
		if err != nil && !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, nil, fmt.Errorf("locking %s: %w", f.Name(), err)
		}
		if err != nil {
			if err := pause(ctx, lockInterval); err != nil {
				return nil, nil, fmt.Errorf("waiting for another process to fetch shard %s: %w", s.Name, err)
			}
		}
		if b := d.sound(s); b != nil {
			return nil, b, nil
		}
	}
}

// sound opens a shard that is here and has the digest of the index; nil if there is none.
func (d *directoryShelf) sound(s *Shard) book {
	b, checked, err := d.find(s)
	if err != nil {
		return nil
	}
	if checked || checkBook(b, s) == nil {
		return b
	}
	_ = b.Close()
	d.remove(s)
	return nil
}

func pause(ctx context.Context, t time.Duration) error {
	timer := time.NewTimer(t)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// openDraft opens a shard's draft after making room for the whole shard.
func (d *directoryShelf) openDraft(s *Shard) (*os.File, error) {
	if err := os.MkdirAll(d.dir, 0o755); err != nil {
		return nil, fmt.Errorf("making the shard cache: %w", err)
	}
	room, err := d.lockRoom()
	if err != nil {
		return nil, err
	}
	defer room.Close()
	if _, err := os.Stat(d.draftPath(s)); err != nil { // a draft counts as the whole shard already
		if err := d.makeRoom(s.Size); err != nil {
			return nil, fmt.Errorf("making room in the shard cache: %w", err)
		}
	}
	f, err := os.OpenFile(d.draftPath(s), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("making room in the shard cache: %w", err)
	}
	return f, nil
}

// lockRoom keeps other processes from making room until the file is closed.
func (d *directoryShelf) lockRoom() (*os.File, error) {
	room, err := os.OpenFile(filepath.Join(d.dir, "room.lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("making room in the shard cache: %w", err)
	}
	if err := flock(room, syscall.LOCK_EX); err != nil {
		room.Close()
		return nil, fmt.Errorf("making room in the shard cache %s: %w", d.dir, err)
	}
	return room, nil
}

func (d *directoryShelf) trim() error {
	room, err := d.lockRoom()
	if err != nil {
		return err
	}
	defer room.Close()
	return d.makeRoom(0)
}

// makeRoom removes what nobody uses, the oldest first, until n more bytes keep the budget.
func (d *directoryShelf) makeRoom(n int64) error {
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		return err
	}
	var files []fs.FileInfo
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil || shelvedBytes(info) == 0 {
			continue // removed meanwhile, or not ours
		}
		files = append(files, info)
		n += shelvedBytes(info)
	}
	slices.SortFunc(files, func(a, b fs.FileInfo) int { return a.ModTime().Compare(b.ModTime()) })
	for _, info := range files {
		if n > d.budget && removeUnused(filepath.Join(d.dir, info.Name())) {
			n -= shelvedBytes(info)
		}
	}
	d.over.Store(n > d.budget)
	return nil
}

// shelvedBytes is what a file takes or will take, 0 for what is no shard.
func shelvedBytes(info fs.FileInfo) int64 {
	if strings.HasSuffix(info.Name(), wholeSuffix) {
		return info.Size()
	}
	digestAndSize, isDraft := strings.CutSuffix(info.Name(), draftSuffix)
	_, text, _ := strings.Cut(digestAndSize, ".")
	size, err := strconv.ParseInt(text, 10, 64)
	if !isDraft || err != nil {
		return 0
	}
	return size
}

func removeUnused(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	defer f.Close()
	return flock(f, syscall.LOCK_EX|syscall.LOCK_NB) == nil && os.Remove(path) == nil
}

func flock(f *os.File, how int) error {
	for {
		err := syscall.Flock(int(f.Fd()), how)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// hasName reports whether an open file still has its name, which others may have removed or moved before it was locked.
func hasName(f *os.File) bool {
	opened, err := f.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(f.Name())
	return err == nil && os.SameFile(opened, named)
}

// fileDraft reads from the first byte on and appends.
type fileDraft struct{ *os.File }

func (d fileDraft) discard() error {
	if err := d.Truncate(0); err != nil {
		return err
	}
	_, err := d.Seek(0, io.SeekStart)
	return err
}
