package kernels

// Rounding is a device that may round the operands of long sums (products, convolutions, attention) to bfloat16, as tensor
// cores want them. Sums stay float32.
type Rounding interface {
	RoundsToBFloat16() bool
}

// RoundsToBFloat16 reports whether dev does.
func RoundsToBFloat16(dev Device) bool {
	r, may := dev.(Rounding)
	return may && r.RoundsToBFloat16()
}
