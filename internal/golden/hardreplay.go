package golden

import (
	"github.com/textground/textground/checkpoint/safetensors"
	"github.com/textground/textground/kernels"
)

// hardReplay is a device of rounded operands whose hard masks are the file's. Rounding flips a bit where y is close to 0.5, and
// whatever is computed from that mask then tells of the bit, not of the rounding. The device's own bits are counted.
type hardReplay struct {
	kernels.Device
	hard []float32   // of all pairs [N, P]
	off  map[int]int // bits that differ, by the lane's first pair
}

// newHardReplay returns dev itself, in a shell that replays nothing, where the file has no hard masks.
func newHardReplay(dev kernels.Device, f *safetensors.File) (*hardReplay, error) {
	d := &hardReplay{Device: dev, off: map[int]int{}}
	if !f.Has("act.h") {
		return d, nil
	}
	bits, err := f.Bytes("act.h")
	for _, bit := range bits {
		d.hard = append(d.hard, float32(bit))
	}
	return d, err
}

// GroundMasks is the device's, with the hard masks exchanged.
func (d *hardReplay) GroundMasks(r kernels.MaskResults, in kernels.Masks) {
	d.Device.GroundMasks(r, in)
	n := r.Hard.Len()
	first := in.First * in.Height * in.Width
	if d.hard == nil || first+n > len(d.hard) {
		return
	}
	own := make([]float32, n)
	if err := d.Download(own, r.Hard); err != nil {
		return // the device reports it again at the next wait
	}
	d.off[in.First] = 0
	for i, bit := range d.hard[first : first+n] {
		if own[i] != bit {
			d.off[in.First]++
		}
	}
	d.Upload(r.Hard, d.hard[first:first+n])
}

// report counts the bits, all of which may differ.
func (d *hardReplay) report(r *Report) {
	if d.hard == nil {
		return
	}
	sum := 0
	for _, n := range d.off {
		sum += n
	}
	r.add("hard masks, replayed", bitsOff, Entry{"act.h", float64(sum), float64(len(d.hard))})
}
