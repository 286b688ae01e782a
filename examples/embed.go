// Package examples holds the run files that the manual explains, and the small CLIP of the demo's world, compiled in so
// that the demo needs nothing but the binary.
package examples

import _ "embed"

// WorldCLIP is the CLIP that this project trained on its synthetic world (world-clip.yaml), as safetensors.
//
//go:embed world-clip.safetensors
var WorldCLIP []byte

// WorldVocabulary is the vocabulary learned on the world's captions, in CLIP's merges format.
//
//go:embed world-vocabulary.txt
var WorldVocabulary []byte

// World is the demo's run file.
//
//go:embed world.yaml
var World []byte

// Tiny is a run of seconds.
//
//go:embed tiny.yaml
var Tiny []byte
