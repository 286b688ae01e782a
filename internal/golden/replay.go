package golden

import (
	"errors"
	"fmt"

	"github.com/textground/textground/checkpoint/safetensors"
	"github.com/textground/textground/kernels"
)

// Replay sends the inputs of a golden file through the device and compares. name is the file's path: an inference golden
// takes its weights from the file beside it that it names. The error is about the file or the device; a
// tensor that is off is in the report. What kind of golden it is shows in the tensors it has.
func Replay(name string, f *safetensors.File, dev kernels.Device) (*Report, error) {
	r := &Report{File: name, Device: dev.Name()}
	err := f.CheckFinite("in.")
	switch {
	case err != nil:
	case f.Has("in.gumbel_u"):
		err = replayTraining(r, f, dev)
	case f.Has("in.eval_image"):
		err = replayEval(r, name, f, dev)
	case f.Metadata["cases"] != "":
		err = replayResize(r, f, dev)
	default:
		err = fmt.Errorf("no kind of golden file that is known: it has neither in.gumbel_u (training) nor in.eval_image (inference) nor cases in its metadata (resizing)")
	}
	if err == nil && len(r.Groups) == 0 {
		err = errors.New("it has inputs, but nothing to compare their results with")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return r, nil
}
