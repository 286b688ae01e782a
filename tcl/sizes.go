package tcl

// GradientLen returns the length of a phase's gradient vector: what a model of that configuration exchanges.
func GradientLen(cfg Config, phase int) int {
	l := newLayout(cfg)
	return l.len - l.offset(phase)
}

// Updates returns how many optimiser updates a parameter has had after committed steps of a schedule (tcl-spec section 6:
// the masker block counts from the beginning of its phase).
func (s Schedule) Updates(cfg Config, p Parameter, committed int) int {
	if newLayout(cfg).offsets[p.Name] < newLayout(cfg).block {
		return max(committed-s.Phase2From, 0)
	}
	return committed
}
