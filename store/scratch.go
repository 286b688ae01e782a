package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// A scratch file is locked for as long as its writer lives. So an unlocked one belongs to nobody: its writer was killed,
// and whoever gets the lock may remove it, without asking how old it is.

// createScratch returns a new, locked file. A sweeper may take it between creation and lock; then another is made.
func createScratch(dir string) (*os.File, error) {
	for {
		f, err := os.CreateTemp(dir, "put-*")
		if err != nil {
			return nil, err
		}
		err = lock(f)
		if err == nil && stillNamed(f) {
			return f, f.Chmod(0o644) // as an ordinary file: others may read what is published
		}
		f.Close()
		os.Remove(f.Name())
		if err != nil && !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
		}
	}
}

// sweepScratch removes what no living writer holds. What this user may not remove stays: it is another user's to sweep.
func sweepScratch(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if err := sweepOne(filepath.Join(dir, entry.Name())); err != nil {
			return err
		}
	}
	return nil
}

func sweepOne(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return unlessNotOurs(err)
	}
	defer f.Close()
	if lock(f) != nil {
		return nil
	}
	return unlessNotOurs(os.Remove(path))
}

func unlessNotOurs(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return nil
	}
	return err
}

func lock(f *os.File) error {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}

func stillNamed(f *os.File) bool {
	opened, err := f.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(f.Name())
	return err == nil && os.SameFile(opened, named)
}
