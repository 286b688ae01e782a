package philox

// Use separates the streams that one seed feeds, so that no two purposes ever share a number.
type Use uint32

// The uses of randomness in a run. Numbers are part of every digest: never renumber.
const (
	Gumbel   Use = 1 // noise of the hard masks: counter (step, lane, image*P+position)
	Augment  Use = 2 // training augmentation: counter (step, lane, image) then a running index
	Shuffle  Use = 3 // order of shards and samples: counter (epoch, window, place)
	World    Use = 4 // synthetic scenes: counter (scene) then a running index
	Init     Use = 5 // initial weights: counter (tensor, element)
	CLIPData Use = 6 // batches, augmentation and prompts of CLIP pre-training
	Test     Use = 7 // inputs made by tests
)

// Key selects a stream: the run's seed and the use.
type Key struct {
	seed uint64
	use  Use
}

// NewKey returns the stream of seed for one use.
func NewKey(seed uint64, use Use) Key { return Key{seed, use} }

// Block returns the four 32-bit words at counter (step, lane, index) of the stream. index is 64 bits wide: the high
// half joins the lane word's neighbour, so (step, lane, index) never collide below 2^32 steps, 2^32 lanes, 2^64 blocks.
func (k Key) Block(step, lane uint32, index uint64) [4]uint32 {
	w0, w1, w2, w3 := k.block(step, lane, index)
	return [4]uint32{w0, w1, w2, w3}
}

// block is Block in four results: an array goes through memory, in pieces that the processor waits to join.
func (k Key) block(step, lane uint32, index uint64) (w0, w1, w2, w3 uint32) {
	return rounds(uint32(index), uint32(index>>32), lane, step, uint32(k.seed)^uint32(k.use)*0x9E3779B1, uint32(k.seed>>32))
}

// Uniform returns element i of the stream at (step, lane) as a float32 in the open interval (0, 1): ((x>>9)+0.5)*2^-23.
func (k Key) Uniform(step, lane uint32, i uint64) float32 {
	return unit(k.Block(step, lane, i/4)[i%4])
}

// Uniforms fills dst with elements 0..len(dst)-1 of the stream at (step, lane).
func (k Key) Uniforms(dst []float32, step, lane uint32) {
	for i := 0; i < len(dst); i += 4 {
		words := k.Block(step, lane, uint64(i/4))
		for j := 0; j < 4 && i+j < len(dst); j++ {
			dst[i+j] = unit(words[j])
		}
	}
}

func unit(x uint32) float32 { return (float32(x>>9) + 0.5) * (1.0 / (1 << 23)) }

// rounds is Philox4x32-10 of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC'11), of a counter and a key.
func rounds(c0, c1, c2, c3, k0, k1 uint32) (w0, w1, w2, w3 uint32) {
	const m0, m1, bump0, bump1 = 0xD2511F53, 0xCD9E8D57, 0x9E3779B9, 0xBB67AE85
	for range 10 {
		p0, p1 := uint64(m0)*uint64(c0), uint64(m1)*uint64(c2)
		c0, c1, c2, c3 = uint32(p1>>32)^c1^k0, uint32(p1), uint32(p0>>32)^c3^k1, uint32(p0)
		k0 += bump0
		k1 += bump1
	}
	return c0, c1, c2, c3
}
