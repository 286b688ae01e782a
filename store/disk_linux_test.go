package store

import (
	"syscall"
	"testing"
)

// Real file systems that are full or read-only; they can be mounted by root only.

func TestAFullDiskIsNamedAndTearsNothing(t *testing.T) {
	root := t.TempDir()
	if err := syscall.Mount("tmpfs", root, "tmpfs", 0, "size=64k,nr_inodes=16"); err != nil {
		t.Skipf("skipped: a small file system cannot be mounted here: %v", err)
	}
	defer func() { _ = syscall.Unmount(root, 0) }()
	st, err := OpenDir(root)
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Put(t.Context(), "small", []byte("fits")); err != nil {
		t.Fatal(err)
	}
	err = st.PutNew(t.Context(), "big", make([]byte, 1<<20))
	wantOneLine(t, err, ErrNoSpace, "big", "free some space")
	err = st.Put(t.Context(), "small", make([]byte, 1<<20))
	wantOneLine(t, err, ErrNoSpace, "small")
	if data, err := ReadAll(t.Context(), st, "small"); err != nil || string(data) != "fits" {
		t.Errorf("the old object became %d bytes, %v", len(data), err)
	}
	for i := range 20 {
		if err = st.PutNew(t.Context(), "inodes/"+string(rune('a'+i)), nil); err != nil {
			break
		}
	}
	wantOneLine(t, err, ErrNoSpace, "inodes")
	wantNoScratch(t, st.(*directory))
}

func TestAReadOnlyDirectoryIsNamed(t *testing.T) {
	root := t.TempDir()
	if err := syscall.Mount("tmpfs", root, "tmpfs", syscall.MS_RDONLY, ""); err != nil {
		t.Skipf("skipped: a read-only file system cannot be mounted here: %v", err)
	}
	defer func() { _ = syscall.Unmount(root, 0) }()
	st, err := OpenDir(root)
	if err != nil {
		t.Fatal(err)
	}
	wantOneLine(t, st.Put(t.Context(), "k", nil), ErrDenied, "k", "writable")
}
