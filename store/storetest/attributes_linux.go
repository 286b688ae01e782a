package storetest

import (
	"os"
	"path/filepath"
	"syscall"
)

// hasAttributes tells whether files below dir can have extended attributes, where the gateway keeps ETags.
func hasAttributes(dir string) bool {
	path := filepath.Join(dir, "attribute-check")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return false
	}
	defer os.Remove(path)
	return syscall.Setxattr(path, "user.check", []byte("1"), 0) == nil
}
