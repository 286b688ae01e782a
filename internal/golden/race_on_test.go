//go:build race

package golden

// slow tells that the race detector makes the reference device fifty times slower.
const slow = true
