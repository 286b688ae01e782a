package kernels

// DigestBlock is the number of float32 elements behind one value of BlockDigests: 64 KiB.
const DigestBlock = 16384

// BlockDigest is the digest of up to DigestBlock elements, given as their IEEE bits: elements 2i and 2i+1 form word i
// (low half first, a missing last element is 0), and the digest is the sum modulo 2^64 of mix(word + (i+1)*golden). Sums
// commute, so a device may take the words in any order.
func BlockDigest(bits func(i int) uint32, n int) uint64 {
	const golden = 0x9E3779B97F4A7C15
	var sum uint64
	for i := 0; i < n; i += 2 {
		word := uint64(bits(i))
		if i+1 < n {
			word |= uint64(bits(i+1)) << 32
		}
		sum += mix(word + uint64(i/2+1)*golden)
	}
	return sum
}

// mix is the finaliser of splitmix64: a bijection in which every input bit reaches every output bit.
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}
