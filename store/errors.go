package store

import (
	"errors"
	"fmt"
)

// Further errors that callers tell apart with errors.Is: they mean bad input or a machine to mend, not a lost object.
var (
	ErrNoSpace     = errors.New("no space left")
	ErrNoBucket    = errors.New("there is no such bucket")
	ErrDenied      = errors.New("access denied")
	ErrUnreachable = errors.New("cannot be reached")
)

// failure wraps err with the operation and the object: "store file:///data: put a/b: ...".
func failure(store, operation, key string, err error) error {
	if key == "" {
		return fmt.Errorf("store %s: %s: %w", store, operation, err)
	}
	return fmt.Errorf("store %s: %s %s: %w", store, operation, key, err)
}
