// Package buildid says what a binary's numbers depend on, besides the device: the sources that compute, the compilers, and
// what these compiled for. Two builds with one ID give equal bits on equal devices, wherever and with whatever linker
// flags they were made; the command line puts the ID into the device class, and prints it with textground version.
package buildid

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
)

// Build is what must be equal.
type Build struct {
	Sources string   `json:"sources"`         // SHA-256 over names and bytes of the sources, tests left out
	Go      string   `json:"go"`              // version of the Go compiler
	C       string   `json:"c"`               // compiler of the C kernels, "" without cgo
	Target  string   `json:"target"`          // architecture and its level, such as amd64/v1
	Flags   []string `json:"flags,omitempty"` // flags that change what the Go compiler makes
}

// compileFlags are the build settings that change what the compiler makes of a source. Linker flags, paths and version control
// are not among them; tags only add devices (cuda) and fault points, which change no number of the others; the C compiler's
// own flags show in what it says of itself.
var compileFlags = []string{"-compiler", "-gcflags", "-race"}

// Of describes the running binary, given the sources in it and what its C compiler says of itself.
func Of(sources fs.FS, c string) (Build, error) {
	digest, err := digest(sources)
	if err != nil {
		return Build{}, fmt.Errorf("digest the sources in this binary: %w", err)
	}
	b := Build{Sources: digest, Go: runtime.Version(), C: c, Target: runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b, nil
	}
	for _, s := range info.Settings {
		if s.Key == "GO"+strings.ToUpper(runtime.GOARCH) {
			b.Target += "/" + s.Value
		}
		if slices.Contains(compileFlags, s.Key) && s.Value != "" {
			b.Flags = append(b.Flags, s.Key+"="+s.Value)
		}
	}
	slices.Sort(b.Flags)
	return b, nil
}

// ID is a short name of the build.
func (b Build) ID() string {
	text, err := json.Marshal(b)
	if err != nil {
		panic(fmt.Sprintf("buildid: encode %+v: %v", b, err)) // strings alone
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6])
}

// digest covers every file but tests: its name, its length, its bytes, in the order of names.
func digest(sources fs.FS) (string, error) {
	h := sha256.New()
	err := fs.WalkDir(sources, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, "_test.go") {
			return err
		}
		data, err := fs.ReadFile(sources, path)
		fmt.Fprintf(h, "%s %d\n", path, len(data))
		h.Write(data)
		return err
	})
	return hex.EncodeToString(h.Sum(nil)), err
}
