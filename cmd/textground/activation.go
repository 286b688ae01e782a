package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/textground/textground/tcl"
)

// quickGELU is the activation of OpenAI's models, and the only one of this program's towers. open_clip's models of LAION data
// have the exact GELU under the same names and shapes: taking one for the other computes plausible nonsense.
const quickGELU = "quick_gelu"

// activationOf finds out who says that a model uses QuickGELU, and refuses one of which nobody does.
func activationOf(ctx context.Context, place *weightsPlace, w *foreignWeights, in *tcl.Imported, asked string) (string, error) {
	if asked != "" && asked != quickGELU {
		return "", badInput(fmt.Sprintf("--activation %s: the towers here have QuickGELU and no other; take OpenAI's weights, or an open_clip model whose name ends in -quickgelu", asked))
	}
	for _, beside := range []func(context.Context, *weightsPlace, *tcl.Imported) (string, error){huggingFaceConfig, openCLIPConfig} {
		if who, err := beside(ctx, place, in); who != "" || err != nil {
			return who, err
		}
	}
	switch {
	case in.Names == tcl.ReferenceNames:
		return "TCL stands on OpenAI's CLIP", nil
	case w.source.Metadata[activationKey] == quickGELU, w.source.Metadata["config"] != "": // the file is ours
		return "the file's metadata", nil
	case w.isOpenAIs():
		return "an archive of OpenAI's", nil
	case asked == quickGELU:
		return "--activation", nil
	}
	return "", badInput("nothing says whether this model uses QuickGELU, as OpenAI's do, or the exact GELU, as open_clip's models of LAION data do and the towers here cannot; " +
		"put its config.json or open_clip_config.json beside the file, or say --activation quick_gelu if you know")
}

// activationKey is the metadata that import and export write.
const activationKey = "textground.activation"

// isOpenAIs knows OpenAI's archives by three numbers that they keep as tensors.
func (w *foreignWeights) isOpenAIs() bool {
	found := 0
	for _, t := range w.source.Tensors {
		switch t.Name {
		case "input_resolution", "context_length", "vocab_size":
			found++
		}
	}
	return found == 3
}

// huggingFaceConfig reads config.json, in which both towers have an activation and a number of heads; what is missing is as in
// CLIP.
func huggingFaceConfig(ctx context.Context, place *weightsPlace, in *tcl.Imported) (string, error) {
	const name = "config.json"
	data, err := place.small(ctx, name)
	if err != nil || data == nil || in.Names != tcl.HuggingFaceNames {
		return "", err
	}
	type tower struct {
		Activation string `json:"hidden_act"`
		Heads      int    `json:"num_attention_heads"`
	}
	var config struct {
		Vision tower `json:"vision_config"`
		Text   tower `json:"text_config"`
	}
	if err := json.Unmarshal(data, &config); err != nil {
		return "", badInput(fmt.Sprintf("%s: %v", name, err))
	}
	for _, t := range []struct {
		name string
		said tower
		have int
	}{{"vision_config", config.Vision, in.Config.Vision.Heads}, {"text_config", config.Text, in.Config.Text.Heads}} {
		if act := firstOf(t.said.Activation, quickGELU); act != quickGELU {
			return "", badInput(fmt.Sprintf("%s: %s.hidden_act is %q, but the towers here have %s and no other; take OpenAI's weights, such as openai/clip-vit-base-patch16", name, t.name, act, quickGELU))
		}
		if t.said.Heads != 0 && t.said.Heads != t.have {
			return "", badInput(fmt.Sprintf("%s: %s.num_attention_heads is %d, but the shapes say %d heads of 64 channels", name, t.name, t.said.Heads, t.have))
		}
	}
	return name, nil
}

// openCLIPConfig reads open_clip_config.json, in which QuickGELU is an exception.
func openCLIPConfig(ctx context.Context, place *weightsPlace, in *tcl.Imported) (string, error) {
	const name = "open_clip_config.json"
	data, err := place.small(ctx, name)
	if err != nil || data == nil || in.Names != tcl.OpenAINames {
		return "", err
	}
	var config struct {
		Model struct {
			QuickGELU bool `json:"quick_gelu"`
		} `json:"model_cfg"`
	}
	if err := json.Unmarshal(data, &config); err != nil {
		return "", badInput(fmt.Sprintf("%s: %v", name, err))
	}
	if !config.Model.QuickGELU {
		return "", badInput(fmt.Sprintf("%s: model_cfg.quick_gelu is not true: the model uses the exact GELU, and the towers here have QuickGELU and no other; take OpenAI's weights, or a model whose name ends in -quickgelu", name))
	}
	return name, nil
}
