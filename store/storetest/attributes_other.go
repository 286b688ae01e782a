//go:build !linux

package storetest

// hasAttributes is asked on Linux only; elsewhere the gateway keeps ETags beside the files.
func hasAttributes(string) bool { return false }
