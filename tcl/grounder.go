package tcl

import "github.com/textground/textground/kernels"

// grounder is everything that is trained (tcl-spec section 2): its parameters or, with the same fields, their gradients.
// All are views of one flat vector in name order.
type grounder struct {
	block          block // the masker block, trained in phase 2
	decoder        decoder
	projection     projection
	scale, bias    kernels.Tensor // w and b of the masks
	scaleV, scaleF kernels.Tensor // logit scales of the image-level and of the feature-level loss
}

func newGrounder(get lookup, cfg Config) grounder {
	return grounder{
		block: newBlock(get, maskerPrefix(cfg), cfg.Vision.Activation), decoder: newDecoder(get),
		projection: projection{newNorm(get, projectionPrefix+"ln."), get(projectionPrefix + "proj")},
		scale:      get(simPrefix + "w"), bias: get(simPrefix + "b"), scaleV: get(scaleImages), scaleF: get(scaleFeatures),
	}
}

// layout says where each trainable parameter lies in a flat vector.
type layout struct {
	list    []Parameter
	offsets map[string]int
	len     int
	block   int // length of the masker block, which comes first
}

func newLayout(cfg Config) layout {
	l := layout{list: Trainables(cfg), offsets: map[string]int{}}
	for _, p := range l.list {
		l.offsets[p.Name] = l.len
		l.len += p.Len()
	}
	for _, p := range blockParameters(maskerPrefix(cfg), cfg.Vision.Width) {
		l.block += p.Len()
	}
	return l
}

// views finds parameters in flat.
func (l layout) views(flat kernels.Tensor) lookup {
	shapes := map[string][]int{}
	for _, p := range l.list {
		shapes[p.Name] = p.Shape
	}
	return func(name string) kernels.Tensor { return flat.View(l.offsets[name], shapes[name]...) }
}

// groups lists where the groups of parameters begin whose gradients become final together, in the order of the backward
// pass, which is that of falling offsets.
func (l layout) groups(phase int) []int {
	starts := []int{l.offsets[simPrefix+"b"], l.offsets[projectionPrefix+"ln.bias"]}
	for stage := stages - 1; stage >= 0; stage-- {
		for i := 1; i >= 0; i-- {
			starts = append(starts, l.offsets[gatedPrefix(stage, i)+"conv.bias"])
		}
	}
	if phase == 2 {
		starts = append(starts, 0)
	}
	return starts
}

// offset returns where the vector of a phase begins in the vector of both.
func (l layout) offset(phase int) int {
	if phase == 2 {
		return 0
	}
	return l.block
}
