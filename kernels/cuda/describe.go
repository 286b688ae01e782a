//go:build cuda && cgo

package cuda

import (
	"fmt"
	"runtime"

	"gorgonia.org/cu"

	"github.com/textground/textground/kernels"
	"github.com/textground/textground/kernels/cuda/driver"
)

var _ kernels.Device = (*device)(nil)

// Open returns card number index of this machine as a device.
func Open(index int, precision Precision) (kernels.Device, error) {
	d, err := open(index, precision)
	if err != nil {
		return nil, err
	}
	return d, nil
}

// Describe loads the driver and asks every card. Where there is no driver or no card, that is the error; the rest of what is
// known comes back beside it.
func Describe() (System, error) {
	library, err := driver.Open()
	s := System{Driver: library.Path, Missing: library.Missing}
	if library.Version > 0 {
		s.CUDA = library.CUDA()
	}
	if err != nil {
		return s, err
	}
	count, err := cu.NumDevices()
	if err != nil {
		return s, fmt.Errorf("count the cards: %w", named(err))
	}
	for index := range count {
		c, err := describe(index)
		if err != nil {
			return s, fmt.Errorf("cuda:%d: %w", index, err)
		}
		s.Cards = append(s.Cards, c)
	}
	return s, nil
}

// describe asks one card. Free memory is known only within a context.
func describe(index int) (c Card, err error) {
	c.Index = index
	card, err := cu.GetDevice(index)
	if err != nil {
		return c, named(err)
	}
	if c.Name, c.SM, err = identify(card); err != nil {
		return c, err
	}
	c.Kernels = kernelsFor(c.Name, c.SM)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	context, err := card.RetainPrimaryCtx()
	if err != nil {
		return c, fmt.Errorf("make a context: %w", named(err))
	}
	defer card.ReleasePrimaryCtx()
	if err = cu.SetCurrentContext(context); err == nil {
		c.Free, c.Total, err = cu.MemInfo()
	}
	return c, named(err)
}

// kernelsFor says which kernels a card gets.
func kernelsFor(name string, sm int) string {
	hopper, err := wantsHopper(sm)
	switch {
	case sm < LeastSM:
		return tooOld(name, sm).Error()
	case err != nil:
		return err.Error()
	case hopper:
		return "Hopper for large products and convolutions in bf16, portable for the rest"
	case sm <= hopperSM:
		return "portable"
	}
	return "portable, compiled by the driver from PTX"
}
