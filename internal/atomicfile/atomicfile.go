// Package atomicfile replaces small files whole, so that a reader, or a crash, never meets half a file.
package atomicfile

import (
	"os"
	"path/filepath"
)

// Write puts data at path with the given permissions: a temporary file beside it, then a rename.
func Write(path string, data []byte, perm os.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if _, err := f.Write(data); err != nil {
		f.Close()
		return err
	}
	if err := f.Chmod(perm); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
