package bin

import (
	"embed"
	"encoding/json"
	"fmt"
)

//go:embed manifest.json *.cubin *.ptx
var files embed.FS

// Load returns the manifest.
func Load() (m Manifest, err error) {
	text, err := files.ReadFile("manifest.json")
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	if err != nil {
		return m, fmt.Errorf("kernels/cuda/bin/manifest.json: %w", err)
	}
	return m, nil
}

// Target returns which compiled files a card of compute capability sm (such as 90 for 9.0) loads: machine code of its own
// where there is one, else PTX, which the driver compiles when it loads it.
func Target(sm int) string {
	switch {
	case sm >= 80 && sm < 90:
		return "sm_80"
	case sm == 90:
		return "sm_90a"
	}
	return "compute_80"
}

// Images returns the modules for a card of compute capability sm, by file name: those of package cuda's sources, and with
// them on sm_90 those that need it.
func Images(sm int) (map[string][]byte, error) {
	m, err := Load()
	if err != nil {
		return nil, err
	}
	images := map[string][]byte{}
	for _, module := range m.Modules {
		if module.Target != Target(sm) {
			continue
		}
		if images[module.File], err = files.ReadFile(module.File); err != nil {
			return nil, fmt.Errorf("kernels/cuda/bin: %w", err)
		}
	}
	return images, nil
}
