package tcl

import (
	"fmt"
	"slices"
	"strings"
)

// Parameter is a named tensor of the model.
type Parameter struct {
	Name  string
	Shape []int
}

// Len returns the number of values: 1 for a scalar.
func (p Parameter) Len() int {
	n := 1
	for _, d := range p.Shape {
		n *= d
	}
	return n
}

// Names of the grounder's parts, those of the reference (tcl-spec section 2, end).
const (
	stagePrefix      = "masker.image_encoder.decoder.decoder.net."
	projectionPrefix = "masker.image_encoder.decoder.image_proj."
	simPrefix        = "masker.sim2mask."
	scaleFeatures    = "tclf_loss.logit_scale"
	scaleImages      = "tcli_loss.logit_scale"
)

// maskerPrefix begins the names of the masker block, a copy of CLIP's last.
func maskerPrefix(cfg Config) string { return maskerBlockPrefix(cfg.Vision.Layers - 1) }

func maskerBlockPrefix(i int) string {
	return fmt.Sprintf("masker.image_encoder.backbone.transformer.resblocks.%d.", i)
}

// gatedPrefix begins the names of gated convolution i (0 or 1) of a stage.
func gatedPrefix(stage, i int) string {
	return fmt.Sprintf("%s%d.%s.", stagePrefix, stage, []string{"conv", "conv2"}[i])
}

// Trainables lists the trainable parameters of both phases, sorted by name: the order of every flat vector. The masker
// block's names sort first, so phase 1, which leaves it alone, trains a suffix.
func Trainables(cfg Config) []Parameter {
	d, e := cfg.Vision.Width, cfg.Vision.Embed
	list := blockParameters(maskerPrefix(cfg), d)
	for stage := range stages {
		for i := range 2 {
			list = append(list, gatedParameters(gatedPrefix(stage, i), d)...)
		}
	}
	list = append(list, normParameters(projectionPrefix+"ln.", d)...)
	list = append(list,
		Parameter{projectionPrefix + "proj", []int{d, e}},
		Parameter{simPrefix + "w", []int{}},
		Parameter{simPrefix + "b", []int{}},
		Parameter{scaleFeatures, []int{}},
		Parameter{scaleImages, []int{}},
	)
	slices.SortFunc(list, func(a, b Parameter) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// CLIPParameters lists the frozen weights of both CLIP towers under OpenAI's names.
func CLIPParameters(cfg Config) []Parameter {
	v, t := cfg.Vision, cfg.Text
	list := []Parameter{
		{"visual.conv1.weight", []int{v.Width, 3, v.Patch, v.Patch}},
		{"visual.class_embedding", []int{v.Width}},
		{"visual.positional_embedding", []int{cfg.tokens(), v.Width}},
		{"visual.proj", []int{v.Width, v.Embed}},
		{"token_embedding.weight", []int{t.Vocab, t.Width}},
		{"positional_embedding", []int{t.Context, t.Width}},
		{"text_projection", []int{t.Width, v.Embed}},
	}
	list = append(list, normParameters("visual.ln_pre.", v.Width)...)
	list = append(list, normParameters("visual.ln_post.", v.Width)...)
	list = append(list, normParameters("ln_final.", t.Width)...)
	for i := range v.Layers {
		list = append(list, blockParameters(imageBlockPrefix(i), v.Width)...)
	}
	for i := range t.Layers {
		list = append(list, blockParameters(textBlockPrefix(i), t.Width)...)
	}
	return list
}

func imageBlockPrefix(i int) string { return fmt.Sprintf("visual.transformer.resblocks.%d.", i) }

func textBlockPrefix(i int) string { return fmt.Sprintf("transformer.resblocks.%d.", i) }

func blockParameters(prefix string, d int) []Parameter {
	list := append(normParameters(prefix+"ln_1.", d), normParameters(prefix+"ln_2.", d)...)
	return append(list,
		Parameter{prefix + "attn.in_proj_weight", []int{3 * d, d}},
		Parameter{prefix + "attn.in_proj_bias", []int{3 * d}},
		Parameter{prefix + "attn.out_proj.weight", []int{d, d}},
		Parameter{prefix + "attn.out_proj.bias", []int{d}},
		Parameter{prefix + "mlp.c_fc.weight", []int{4 * d, d}},
		Parameter{prefix + "mlp.c_fc.bias", []int{4 * d}},
		Parameter{prefix + "mlp.c_proj.weight", []int{d, 4 * d}},
		Parameter{prefix + "mlp.c_proj.bias", []int{d}},
	)
}

func gatedParameters(prefix string, d int) []Parameter {
	return append(normParameters(prefix+"norm.", d),
		Parameter{prefix + "conv.weight", []int{d, d, 3, 3}},
		Parameter{prefix + "conv.bias", []int{d}},
		Parameter{prefix + "gate.gate", []int{}},
	)
}

func normParameters(prefix string, d int) []Parameter {
	return []Parameter{{prefix + "weight", []int{d}}, {prefix + "bias", []int{d}}}
}
