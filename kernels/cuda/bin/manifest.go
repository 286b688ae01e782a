package bin

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
)

// Manifest says what was compiled, with what, and what came out.
type Manifest struct {
	Compiler string            `json:"compiler"` // the wheels, one a line
	Flags    []string          `json:"flags"`
	Sources  map[string]string `json:"sources"` // SHA-256 of each file that a kernel is made of
	Modules  []Module          `json:"modules"`
}

// Module is one compiled file.
type Module struct {
	File    string   `json:"file"`
	Source  string   `json:"source"`
	Target  string   `json:"target"` // sm_80, sm_90a or compute_80
	SHA256  string   `json:"sha256"`
	Kernels []Kernel `json:"kernels,omitempty"` // none for PTX, which has no registers yet
}

// Kernel is what the assembler said about one kernel.
type Kernel struct {
	Name         string   `json:"name"`
	Registers    int      `json:"registers"`              // a thread
	Shared       int      `json:"shared"`                 // bytes of static shared memory a block
	Spilled      int      `json:"spilled"`                // bytes of registers that went to memory
	Instructions []string `json:"instructions,omitempty"` // HMMA, HGMMA, UTMALDG where it has them
}

// Has reports whether the kernel contains the instruction.
func (k Kernel) Has(instruction string) bool { return slices.Contains(k.Instructions, instruction) }

// JSON returns the manifest as it is committed.
func (m Manifest) JSON() []byte {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(m); err != nil {
		panic(err) // strings and numbers only
	}
	return text.Bytes()
}

// Digest is the SHA-256 of data in hexadecimal.
func Digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// SourceDigests returns the digest of every file in kernels/cuda that kernels are made of.
func SourceDigests(sources fs.FS) (map[string]string, error) {
	digests := map[string]string{}
	for _, pattern := range []string{"*.cu", "*.cuh", "*.h", "include/*.cuh"} {
		files, err := fs.Glob(sources, pattern)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			text, err := fs.ReadFile(sources, file)
			if err != nil {
				return nil, fmt.Errorf("digest the kernels' sources: %w", err)
			}
			digests[file] = Digest(text)
		}
	}
	return digests, nil
}
