//go:build cuda && cgo

package cuda

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestThePeerIsMeasuredWhereItIsInstalled(t *testing.T) {
	d := openTest(t, BFloat16)
	t.Setenv("TEXTGROUND_CUBLASLT", "/nowhere/libcublasLt.so")
	if _, err := d.PeerProduct(100, 70, 30, 1); err == nil || !strings.Contains(err.Error(), "cuBLASLt is not installed") {
		t.Error(err)
	}
	library := filepath.Join(t.TempDir(), "libcublasLt.so")
	if out, err := exec.Command("gcc", "-shared", "-fPIC", "-o", library, "testdata/cublaslt.c").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Setenv("TEXTGROUND_CUBLASLT", library)
	before := d.arena.live
	if seconds, err := d.PeerProduct(100, 70, 30, 3); err != nil || seconds < 0 {
		t.Errorf("%v seconds, %v", seconds, err)
	}
	if d.arena.live != before {
		t.Errorf("%d bytes stay allocated", d.arena.live-before)
	}
	if err := d.Sync(); err != nil {
		t.Error(err)
	}
}
