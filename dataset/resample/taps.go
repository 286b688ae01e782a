package resample

import "fmt"

// WeightBits is the precision of a weight: 8 bits of pixel, 22 of weight and 2 spare fill an int32.
const WeightBits = 22

const halfWeight = 1 << (WeightBits - 1)

// Taps says how each of several outputs is summed from consecutive inputs: output i from the Width inputs that begin at First[i],
// with Weights[i*Width:(i+1)*Width]. The weights of an output sum to about 1<<WeightBits.
type Taps struct {
	Width   int
	First   []int32
	Weights []int32
}

// Backwards returns taps that give the same outputs, the last one first.
func (t Taps) Backwards() Taps {
	n := len(t.First)
	back := Taps{Width: t.Width, First: make([]int32, n), Weights: make([]int32, 0, len(t.Weights))}
	for i := range n {
		from := n - 1 - i
		back.First[i] = t.First[from]
		back.Weights = append(back.Weights, t.Weights[from*t.Width:(from+1)*t.Width]...)
	}
	return back
}

// last returns the end of the inputs that are used.
func (t Taps) last() int {
	end := int32(0)
	for _, first := range t.First {
		end = max(end, first+int32(t.Width))
	}
	return int(end)
}

// check panics unless a picture has what the taps ask for: the C code looks no more.
func check(dst, src []uint8, stride int, across, down Taps) {
	wide, high := across.last(), down.last()
	if len(dst) != 3*len(across.First)*len(down.First) || len(across.Weights) != across.Width*len(across.First) ||
		len(down.Weights) != down.Width*len(down.First) || 3*wide > stride || (high-1)*stride+3*wide > len(src) {
		panic(fmt.Sprintf("resample: %d x %d outputs from %d x %d pixels of %d bytes, stride %d, into %d", len(across.First), len(down.First), wide, high, len(src), stride, len(dst)))
	}
}

// top returns the first row that is used.
func (t Taps) top() int {
	top := t.First[0]
	for _, first := range t.First {
		top = min(top, first)
	}
	return int(top)
}
