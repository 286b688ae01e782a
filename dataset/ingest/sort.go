package ingest

import (
	"cmp"
	"maps"
	"slices"
)

// sorted sorts in place.
func sorted[T cmp.Ordered](values []T) []T {
	slices.Sort(values)
	return values
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
