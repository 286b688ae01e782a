//go:build cuda && cgo

package cuda

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"gorgonia.org/cu"

	"github.com/textground/textground/kernels/cuda/bin"
	"github.com/textground/textground/kernels/cuda/driver"
)

// open returns card number index of this machine. The driver is loaded on the first call of the process.
func open(index int, precision Precision) (*device, error) {
	name, sm, card, err := find(index)
	if err != nil {
		return nil, fmt.Errorf("open device cuda:%d: %w", index, err)
	}
	hopper, err := wantsHopper(sm)
	if err != nil {
		return nil, fmt.Errorf("open device cuda:%d (%s): %w", index, name, err)
	}
	d := &device{
		name: class(name, sm, precision, hopper), sm: sm, precision: precision, hopper: hopper && precision == bf16, card: card,
		functions: make([]uint64, len(declared)), allowed: make([]int, len(declared)),
		engine: startEngine(fmt.Sprintf("cuda:%d (%s)", index, name)),
	}
	d.tape = <-d.engine.idle
	d.engine.name = d.kernelName
	if err := d.engine.do(d.start); err != nil {
		d.Close() // what fails in it follows from err
		return nil, fmt.Errorf("open device cuda:%d (%s): %w", index, name, err)
	}
	return d, nil
}

// class names what numbers may depend on: the card, the precision, and kernels that are not the usual ones of that card.
func class(name string, sm int, precision Precision, hopper bool) string {
	c := fmt.Sprintf("cuda-sm%d-%s-%v", sm, token(name), precision)
	if sm == hopperSM && precision == bf16 && !hopper {
		c += "-portable"
	}
	return c
}

// find loads the driver and looks a card up.
func find(index int) (name string, sm int, card cu.Device, err error) {
	if _, err = driver.Open(); err != nil {
		return "", 0, 0, err
	}
	count, err := cu.NumDevices()
	if err != nil {
		return "", 0, 0, fmt.Errorf("count the cards: %w", named(err))
	}
	if index < 0 || index >= count {
		return "", 0, 0, fmt.Errorf("this machine has %d NVIDIA cards, counted from 0", count)
	}
	if card, err = cu.GetDevice(index); err != nil {
		return "", 0, 0, named(err)
	}
	name, sm, err = identify(card)
	if err == nil && sm < LeastSM {
		err = tooOld(name, sm)
	}
	return name, sm, card, err
}

// identify returns a card's name and compute capability times ten.
func identify(card cu.Device) (name string, sm int, err error) {
	if name, err = card.Name(); err != nil {
		return "", 0, named(err)
	}
	major, err := card.Attribute(cu.ComputeCapabilityMajor)
	if err != nil {
		return name, 0, named(err)
	}
	minor, err := card.Attribute(cu.ComputeCapabilityMinor)
	return name, 10*major + minor, named(err)
}

func tooOld(name string, sm int) error {
	return fmt.Errorf("%s has compute capability %d.%d: the kernels need %d.%d (A100) or newer", name, sm/10, sm%10, LeastSM/10, LeastSM%10)
}

// start makes the context, the stream and the staging ring and loads the kernels, on the card's thread.
func (d *device) start() error {
	context, err := d.card.RetainPrimaryCtx()
	if err != nil {
		return fmt.Errorf("make a context: %w", named(err))
	}
	if err := cu.SetCurrentContext(context); err != nil {
		return fmt.Errorf("make a context current: %w", named(err))
	}
	if d.engine.stream, err = cu.MakeStream(cu.NonBlocking); err != nil {
		return fmt.Errorf("make a stream: %w", named(err))
	}
	if err := d.staging.open(); err != nil {
		return fmt.Errorf("allocate %d MiB of pinned host memory: %w", slots*slotBytes>>20, err)
	}
	if err := d.countMultiprocessors(); err != nil {
		return fmt.Errorf("count the multiprocessors: %w", err)
	}
	return d.load()
}

// load loads the modules for this card and finds every declared kernel in one of them.
func (d *device) load() error {
	images, err := bin.Images(d.sm)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(images)) {
		m, err := cu.LoadData(string(images[name]))
		if err != nil {
			return fmt.Errorf("load the kernels %s: %w", name, named(err))
		}
		d.modules = append(d.modules, m)
	}
	for _, k := range declared {
		if k.sm != 0 && k.sm != d.sm {
			continue
		}
		if err := d.lookUp(k); err != nil {
			return err
		}
	}
	return nil
}

func (d *device) lookUp(k *kernel) error {
	for _, m := range d.modules {
		if f, err := m.Function(k.name); err == nil {
			d.functions[k.index] = handle(f)
			return nil
		}
	}
	return fmt.Errorf("no module has the kernel %s", k.name)
}

// kernelName says what a function of this device is called.
func (d *device) kernelName(function uint64) string {
	for i, f := range d.functions {
		if f == function {
			return "kernel " + declared[i].name
		}
	}
	return "a copy"
}

// Close gives everything back. Tensors are lost.
func (d *device) Close() error {
	d.flush()
	err := d.engine.do(func() error {
		d.staging.close()
		for _, s := range d.arena.owned {
			cu.MemFree(cu.DevicePtr(s.address))
		}
		for _, m := range d.modules {
			m.Unload()
		}
		if d.engine.stream != (cu.Stream{}) {
			d.engine.stream.Destroy()
		}
		return d.card.ReleasePrimaryCtx()
	})
	d.engine.idle <- d.tape
	d.engine.stop()
	return err
}

// token makes a word for device classes out of a card's name.
func token(name string) string {
	word := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(name))
	return strings.Trim(strings.ReplaceAll(word, "--", "-"), "-")
}
