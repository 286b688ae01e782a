package store

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxKeyBytes is what S3 allows.
const maxKeyBytes = 1024

// scratchName is where a directory store prepares objects; no key may live under it.
const scratchName = ".tmp"

// checkKey refuses keys that could leave the store or that not every implementation can hold.
func checkKey(key string) error {
	switch {
	case key == "":
		return fmt.Errorf("an empty key is not allowed")
	case len(key) > maxKeyBytes:
		return fmt.Errorf("a key of %d bytes is longer than %d", len(key), maxKeyBytes)
	case !utf8.ValidString(key):
		return fmt.Errorf("the key %q is not valid UTF-8", key)
	}
	segments := strings.Split(key, "/")
	if segments[0] == scratchName {
		return fmt.Errorf("the key %q begins with the reserved name %s", key, scratchName)
	}
	for _, segment := range segments {
		if err := checkSegment(key, segment); err != nil {
			return err
		}
	}
	return nil
}

func checkSegment(key, segment string) error {
	switch segment {
	case "":
		return fmt.Errorf("the key %q has an empty segment or begins or ends with a slash", key)
	case ".", "..":
		return fmt.Errorf("the key %q has the segment %q", key, segment)
	}
	for _, r := range segment {
		if r < 0x20 || r == 0x7f || r == '\\' {
			return fmt.Errorf("the key %q has the character %q", key, r)
		}
	}
	return nil
}

// checkPrefix accepts what a valid key can begin with: also nothing, and half a segment.
func checkPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	return checkKey(prefix + "-")
}

// checkRange is the part of Get's contract that needs no object.
func checkRange(offset int64) error {
	if offset < 0 {
		return fmt.Errorf("the offset %d is negative", offset)
	}
	return nil
}

// rangeOf cuts [offset, offset+length) to an object of size bytes. A range may reach past the end, but not begin there.
func rangeOf(size, offset, length int64) (begin, end int64, err error) {
	if offset > size {
		return 0, 0, fmt.Errorf("the range begins at %d, after the end of %d bytes", offset, size)
	}
	if length < 0 || length > size-offset {
		return offset, size, nil
	}
	return offset, offset + length, nil
}
