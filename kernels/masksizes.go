package kernels

import "fmt"

// MaskSizes are the dimensions of Masks: B images of P positions, N texts, E channels.
type MaskSizes struct{ Images, Positions, Texts, Channels int }

// Sizes returns the dimensions of in and panics where its tensors disagree.
func (in Masks) Sizes() MaskSizes {
	s := MaskSizes{Positions: in.Height * in.Width, Texts: in.Texts.Rows(), Channels: in.Pixels.Cols()}
	if s.Positions > 0 {
		s.Images = in.Pixels.Rows() / s.Positions
	}
	Require("Masks: Pixels", in.Pixels, Float32, s.Images*s.Positions*s.Channels)
	Require("Masks: Texts", in.Texts, Float32, s.Texts*s.Channels)
	Require("Masks: Scale", in.Scale, Float32, 1)
	Require("Masks: Bias", in.Bias, Float32, 1)
	Require("Masks: Noise", in.Noise, Float32, s.Images*s.Positions)
	if s.Images == 0 || in.First < 0 || in.First+s.Images > s.Texts {
		panic(fmt.Sprintf("kernels: Masks: %d images belong to texts from %d of %d", s.Images, in.First, s.Texts))
	}
	return s
}

// Check panics unless the results have dimensions s.
func (r MaskResults) Check(s MaskSizes) {
	Require("MaskResults: Scores", r.Scores, Float32, s.Images*s.Texts)
	Require("MaskResults: Hard", r.Hard, Float32, s.Images*s.Positions)
	Require("MaskResults: Soft", r.Soft, Float32, s.Images*s.Positions)
	Require("MaskResults: Sums", r.Sums, Float64, 3)
}

// Check panics unless the gradients have dimensions s.
func (g MaskGrads) Check(s MaskSizes) {
	Require("MaskGrads: Scores", g.Scores, Float32, s.Images*s.Texts)
	Require("MaskGrads: Hard", g.Hard, Float32, s.Images*s.Positions)
}
