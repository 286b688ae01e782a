//go:build cuda && cgo

package cuda

// BoundPlanes bounds the planes of masks until restore is called, so that small maps make several groups.
func BoundPlanes(bytes int) (restore func()) {
	old := mostPlaneBytes
	mostPlaneBytes = bytes
	return func() { mostPlaneBytes = old }
}
