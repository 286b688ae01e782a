package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/textground/textground/proto"
	"github.com/textground/textground/tcl"
)

// activationOf finds out which activation the towers of an imported model have, notes it in the model's configuration, and
// returns who says so. OpenAI's models have QuickGELU, open_clip's of LAION's data the exact GELU under the same names and
// shapes: taking one for the other computes plausible nonsense, so a model of which nobody says it is refused.
func activationOf(ctx context.Context, place *weightsPlace, w *foreignWeights, in *tcl.Imported, asked string) (who string, err error) {
	who, err = namedActivation(ctx, place, w, in)
	switch {
	case err != nil:
		return "", err
	case asked != "":
		return askedActivation(in, asked, who)
	case who != "":
		return who, nil
	case in.Names == tcl.ReferenceNames:
		return "TCL stands on OpenAI's CLIP", nil
	}
	return "", badInput("nothing says whether this model uses QuickGELU, as OpenAI's do, or the exact GELU, as open_clip's models of LAION's and DataComp's data do; " +
		"put its config.json or open_clip_config.json beside the file, or say --activation quick_gelu or --activation gelu if you know")
}

// namedActivation looks at the file and beside it. Nobody may say anything.
func namedActivation(ctx context.Context, place *weightsPlace, w *foreignWeights, in *tcl.Imported) (who string, err error) {
	if tcl.NamesActivation(w.source.Metadata) { // Import has read it
		return "the file's metadata", nil
	}
	for _, beside := range []func(context.Context, *weightsPlace, *tcl.Imported) (string, error){huggingFaceConfig, openCLIPConfig} {
		if who, err := beside(ctx, place, in); who != "" || err != nil {
			return who, err
		}
	}
	if w.isOpenAIs() {
		return "an archive of OpenAI's", nil
	}
	return "", nil
}

// askedActivation takes the word of --activation, unless who says otherwise.
func askedActivation(in *tcl.Imported, asked, who string) (string, error) {
	var a tcl.Activation
	if err := a.UnmarshalText([]byte(asked)); err != nil {
		return "", badInput("--activation: " + err.Error())
	}
	config := in.Config.WithActivation(a)
	if who != "" && in.Config != config {
		return "", badInput(fmt.Sprintf("--activation says %s, but %s says %s; leave --activation out, or mend what is wrong", a, who, in.Config.Activations()))
	}
	in.Config = config
	return firstOf(who, "--activation"), nil
}

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

// huggingFaceConfig reads config.json, in which each tower has an activation and a number of heads; what is missing is as in
// OpenAI's CLIP.
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
		name  string
		said  tower
		heads int
		to    *tcl.Activation
	}{
		{"vision_config", config.Vision, in.Config.Vision.Heads, &in.Config.Vision.Activation},
		{"text_config", config.Text, in.Config.Text.Heads, &in.Config.Text.Activation},
	} {
		if err := t.to.UnmarshalText([]byte(firstOf(t.said.Activation, tcl.QuickGELU.String()))); err != nil {
			return "", badInput(fmt.Sprintf("%s: %s.hidden_act: %v; take a model that has one of them", name, t.name, err))
		}
		if t.said.Heads != 0 && t.said.Heads != t.heads {
			return "", badInput(fmt.Sprintf("%s: %s.num_attention_heads is %d, but the shapes say %d heads of 64 channels", name, t.name, t.said.Heads, t.heads))
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
	in.Config = in.Config.WithActivation(tcl.GELU)
	if config.Model.QuickGELU {
		in.Config = in.Config.WithActivation(tcl.QuickGELU)
	}
	return name, nil
}

// activated is the configuration of a run's CLIP with the activation that the run file names, for files that name none.
func activated(config tcl.Config, m proto.Model, metadata map[string]string) (tcl.Config, error) {
	if m.Activation == nil {
		return config, nil
	}
	var asked tcl.Activation
	if err := asked.UnmarshalText([]byte(*m.Activation)); err != nil {
		return config, badInput("model.activation: " + err.Error())
	}
	if tcl.NamesActivation(metadata) && config != config.WithActivation(asked) {
		return config, badInput(fmt.Sprintf("model.activation is %s, but the metadata of model.clip %s say %s; leave model.activation out, or name another file", asked, m.CLIP, config.Activations()))
	}
	return config.WithActivation(asked), nil
}
