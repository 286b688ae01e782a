package checkpoint

import (
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/textground/textground/checkpoint/safetensors"
)

// Export writes parameters, without moments, as an ordinary safetensors file under their own names, which are the
// reference's: all of them, or those in names.
func Export(w io.Writer, s *State, names []string) error {
	if len(names) == 0 {
		names = s.Names
	}
	var tensors []safetensors.Tensor
	for _, name := range names {
		i, found := slices.BinarySearch(s.Names, name)
		if !found {
			return fmt.Errorf("export step %d: there is no parameter %q", s.Step, name)
		}
		tensors = append(tensors, safetensors.Of(name, s.Params[i]))
	}
	metadata := map[string]string{
		"format":                   "pt", // what other tools look for: row-major tensors under PyTorch's names
		"textground.step":          strconv.Itoa(s.Step),
		"textground.params_sha256": ParamsSHA256(s.Params),
	}
	if err := safetensors.Write(w, tensors, metadata); err != nil {
		return fmt.Errorf("export step %d: %w", s.Step, err)
	}
	return nil
}
