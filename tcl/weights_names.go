package tcl

import (
	"fmt"
	"strings"
)

// origin says where a tensor of ours comes from in a foreign file: one tensor, perhaps transposed, or several that stand one
// above the other.
type origin struct {
	names      []string
	transposed bool
}

// dialect is how others name the tensors of a CLIP.
type dialect struct {
	name     string
	landmark string                   // every file has it once
	towers   []string                 // what begins the names of the towers: whatever else is there would alter numbers
	harmless []string                 // endings of names inside the towers that alter none
	origin   func(name string) origin // where the tensor comes from that CLIPParameters calls name
}

// The names by which a file is known.
const (
	OpenAINames      = "OpenAI's names" // open_clip's too
	HuggingFaceNames = "Hugging Face's names"
	ReferenceNames   = "the TCL reference's names"
)

var dialects = []dialect{
	{
		name: OpenAINames, landmark: "visual.conv1.weight", origin: sameName, harmless: []string{"attn_mask"},
		towers: []string{"visual.", "transformer.", "token_embedding.", "positional_embedding", "ln_final.", "text_projection"},
	},
	{
		name: HuggingFaceNames, landmark: "vision_model.embeddings.patch_embedding.weight", origin: huggingFaceOrigin,
		towers: []string{"vision_model.", "text_model.", "visual_projection.", "text_projection."}, harmless: []string{".position_ids"},
	},
	{
		name: ReferenceNames, landmark: "clip_image_encoder.clip_visual.conv1.weight", origin: referenceOrigin,
		towers:   []string{"clip_image_encoder.", "clip_text_encoder.", "masker.", "tcli_loss.", "tclf_loss."},
		harmless: []string{"attn_mask"},
	},
}

func sameName(name string) origin { return origin{names: []string{name}} }

// referenceOrigin: the reference moves ln_post and proj out of the image tower (tcl-spec section 2, end).
func referenceOrigin(name string) origin {
	if tail, ok := strings.CutPrefix(name, "visual.ln_post."); ok {
		return sameName("clip_image_encoder.clip_proj.ln." + tail)
	}
	tail, isImage := strings.CutPrefix(name, "visual.")
	switch {
	case tail == "proj":
		return sameName("clip_image_encoder.clip_proj.proj")
	case isImage:
		return sameName("clip_image_encoder.clip_visual." + tail)
	}
	return sameName("clip_text_encoder." + name)
}

// huggingFaceOrigin: other words, q, k and v apart, and projections as linear layers [out, in].
func huggingFaceOrigin(name string) origin {
	switch name {
	case "visual.class_embedding":
		return sameName("vision_model.embeddings.class_embedding")
	case "visual.conv1.weight":
		return sameName("vision_model.embeddings.patch_embedding.weight")
	case "visual.positional_embedding":
		return sameName("vision_model.embeddings.position_embedding.weight")
	case "token_embedding.weight":
		return sameName("text_model.embeddings.token_embedding.weight")
	case "positional_embedding":
		return sameName("text_model.embeddings.position_embedding.weight")
	case "visual.proj":
		return origin{names: []string{"visual_projection.weight"}, transposed: true}
	case "text_projection":
		return origin{names: []string{"text_projection.weight"}, transposed: true}
	}
	for _, r := range []struct{ ours, theirs string }{
		{"visual.ln_pre.", "vision_model.pre_layrnorm."}, // their spelling
		{"visual.ln_post.", "vision_model.post_layernorm."},
		{"ln_final.", "text_model.final_layer_norm."},
	} {
		if tail, ok := strings.CutPrefix(name, r.ours); ok {
			return sameName(r.theirs + tail)
		}
	}
	layers := "text_model.encoder.layers."
	tail, ok := strings.CutPrefix(name, "transformer.resblocks.")
	if !ok {
		layers = "vision_model.encoder.layers."
		tail, _ = strings.CutPrefix(name, "visual.transformer.resblocks.")
	}
	number, rest, _ := strings.Cut(tail, ".")
	return huggingFaceBlock(layers+number+".", rest)
}

func huggingFaceBlock(prefix, name string) origin {
	if kind, ok := strings.CutPrefix(name, "attn.in_proj_"); ok {
		var parts []string
		for _, part := range []string{"q", "k", "v"} {
			parts = append(parts, fmt.Sprintf("%sself_attn.%s_proj.%s", prefix, part, kind))
		}
		return origin{names: parts}
	}
	return sameName(prefix + strings.NewReplacer("ln_1.", "layer_norm1.", "ln_2.", "layer_norm2.",
		"attn.", "self_attn.", "mlp.c_fc.", "mlp.fc1.", "mlp.c_proj.", "mlp.fc2.").Replace(name))
}
