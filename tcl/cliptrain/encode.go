package cliptrain

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strconv"

	"github.com/textground/textground/checkpoint/safetensors"
	"github.com/textground/textground/kernels"
)

// Keys of the metadata that say where weights come from.
const (
	KeyRecipe      = "recipe_sha256"
	KeyDeviceClass = "device_class"
	KeyEarlyDigest = "params_sha256_step_50"
	KeyDigest      = "params_sha256"
)

// DeviceClass names what must be equal for a training to give equal bits again: processor architecture and kernels.
func DeviceClass(dev kernels.Device) string { return runtime.GOARCH + "/" + dev.Name() }

// Encode returns the weights as a safetensors file under OpenAI's names.
func Encode(r *Recipe, out *Result, deviceClass string) ([]byte, error) {
	config, err := json.Marshal(out.Config)
	if err != nil {
		return nil, fmt.Errorf("encode the sizes: %w", err)
	}
	metadata := map[string]string{
		"format": "pt", "config": string(config), "seed": strconv.FormatUint(r.Seed, 10), "steps": strconv.Itoa(out.Step),
		KeyRecipe: r.Digest(), KeyDeviceClass: deviceClass, KeyEarlyDigest: out.EarlyDigest, KeyDigest: out.Digest,
	}
	if out.Measured != nil {
		measured, err := json.Marshal(out.Measured)
		if err != nil {
			return nil, fmt.Errorf("encode the figures: %w", err)
		}
		metadata["held_out"] = string(measured)
	}
	var tensors []safetensors.Tensor
	for _, name := range out.Weights.Names() {
		tensors = append(tensors, safetensors.Of(name, out.Weights[name]))
	}
	return safetensors.Encode(tensors, metadata)
}
