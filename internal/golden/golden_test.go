package golden

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/textground/textground/checkpoint/safetensors"
	"github.com/textground/textground/kernels/ref"
)

func read(t testing.TB, path string) *safetensors.File {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := safetensors.Read(data)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestTinyGoldensVerifyOnRef(t *testing.T) {
	for _, name := range []string{"tiny_p1", "tiny_p2", "resize"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join("testdata", name+".safetensors")
			r, err := Replay(path, read(t, path), ref.New())
			if err != nil {
				t.Fatal(err)
			}
			if !r.OK() {
				t.Errorf("out of bounds:\n%s", r.Details())
			}
			t.Logf("\n%s", r)
		})
	}
}
