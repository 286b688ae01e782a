package tcl

import (
	"fmt"

	"github.com/textground/textground/kernels"
)

// ModelOptions say how a Model is used.
type ModelOptions struct {
	MicroBatch  int   // B, images and captions a lane; 0 for a model that only grounds
	GlobalBatch int   // N, pairs a step; a multiple of MicroBatch
	KeepBytes   int64 // device memory for activations; one pass is kept in any case, Backward computes the others again
	Optimiser   Optimiser
}

// Model is a grounder on top of a frozen CLIP, on one device. All memory of a training step is allocated once.
type Model struct {
	dev     kernels.Device
	cfg     Config
	method  Method
	options ModelOptions
	memory  *arena

	image imageTower
	text  textTower

	layout layout
	params kernels.Tensor // all trainable parameters, flat
	ground grounder       // views of params
	blocks kernels.Tensor // Uint64, one digest for each 64 KiB of params

	texts     textMemory
	training  *training     // nil for a model that only grounds
	inference *groundMemory // nil before the first Ground
}

// captionsAtOnce bounds a text pass where no micro-batch does.
const captionsAtOnce = 16

// NewModel puts the weights on the device and allocates. clip holds CLIPParameters, ground Trainables; both are copied.
func NewModel(dev kernels.Device, cfg Config, method Method, clip, ground Weights, options ModelOptions) (*Model, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	if err := options.check(); err != nil {
		return nil, err
	}
	if err := clip.Check("CLIP weights", CLIPParameters(cfg)); err != nil {
		return nil, err
	}
	if err := ground.Check("grounder weights", Trainables(cfg)); err != nil {
		return nil, err
	}
	m := &Model{dev: dev, cfg: cfg, method: method, options: options, memory: &arena{dev: dev}, layout: newLayout(cfg)}
	m.loadCLIP(clip)
	m.params = m.memory.floats(m.layout.len)
	m.ground = newGrounder(m.layout.views(m.params), cfg)
	m.dev.Upload(m.params, ground.Flat(m.layout.list))
	m.blocks = m.memory.alloc(kernels.Uint64, (m.layout.len+kernels.DigestBlock-1)/kernels.DigestBlock)
	captions := captionsAtOnce
	if options.MicroBatch > 0 {
		captions = options.MicroBatch
		m.training = newTraining(m)
	}
	m.texts = newTextMemory(m.memory, captions, cfg)
	return m, nil
}

func (o ModelOptions) check() error {
	if o.MicroBatch == 0 {
		return nil
	}
	if o.MicroBatch < 0 || o.GlobalBatch <= 0 || o.GlobalBatch%o.MicroBatch != 0 {
		return fmt.Errorf("model options: micro-batch %d does not divide the global batch %d", o.MicroBatch, o.GlobalBatch)
	}
	return nil
}

// loadCLIP uploads the frozen weights.
func (m *Model) loadCLIP(clip Weights) {
	tensors := map[string]kernels.Tensor{}
	for _, p := range CLIPParameters(m.cfg) {
		tensors[p.Name] = m.memory.upload(clip[p.Name])
	}
	get := func(name string) kernels.Tensor { return tensors[name] }
	m.image = newImageTower(get, m.cfg.Vision)
	m.text = newTextTower(get, m.cfg.Text)
}

// Config returns the model's sizes.
func (m *Model) Config() Config { return m.cfg }

// GradientLen returns the length of a phase's gradient vector.
func (m *Model) GradientLen(phase int) int { return m.layout.len - m.layout.offset(phase) }

// GradientOffset returns where a phase's gradient vector begins in the vector of all trainable parameters.
func (m *Model) GradientOffset(phase int) int { return m.layout.offset(phase) }

// Close gives the device's memory back. The device itself stays open.
func (m *Model) Close() {
	if m.inference != nil {
		m.inference.free()
	}
	m.memory.free()
}
