//go:build !race

package golden

const slow = false
