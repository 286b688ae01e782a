package golden

import (
	"fmt"
	"hash/fnv"
)

// uniform fills a float32 tensor the way golden files make big ones: element i depends on seed, name and i alone.
func uniform(seed uint64, name string, n int, center, halfwidth float64) []float32 {
	values := make([]float32, n)
	key := recipeKey(seed, name)
	for i := range values {
		u := (float64(word(key, i)>>41) + 0.5) * (1.0 / (1 << 23))
		values[i] = float32(center + float64(halfwidth*(2*u-1)))
	}
	return values
}

func recipeKey(seed uint64, name string) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d/%s", seed, name)
	return h.Sum64()
}

// word is output i of splitmix64 started at key.
func word(key uint64, i int) uint64 {
	z := key + uint64(i+1)*0x9E3779B97F4A7C15
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}
