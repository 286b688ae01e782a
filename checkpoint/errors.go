package checkpoint

import (
	"errors"
	"fmt"

	"github.com/textground/textground/store"
)

// Errors that callers tell apart with errors.Is.
var (
	// ErrFenced: a newer coordinator has taken over; stop.
	ErrFenced = errors.New("a newer coordinator has taken over this run")
	// ErrDiverged: another state is sealed for the same lineage and step; stop, loudly.
	ErrDiverged = errors.New("another state is sealed for this step")
	// ErrDamaged: the checkpoint cannot be what was written, or cannot be read by this program.
	ErrDamaged = errors.New("the checkpoint is damaged")
	// ErrNotFinite: the checkpoint is intact, but holds NaN or infinities; nobody should train on from it.
	ErrNotFinite = errors.New("the checkpoint holds values that are not finite")
	// ErrNoneValid: there are checkpoints, and not one of them can be used.
	ErrNoneValid = errors.New("no checkpoint is valid")
)

// unusable tells whether err is about the checkpoint itself. Anything else, such as an outage of the store, says nothing
// about it: a reader must not fall back because of that.
func unusable(err error) bool {
	return errors.Is(err, ErrDamaged) || errors.Is(err, ErrNotFinite)
}

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrDamaged, fmt.Errorf(format, args...))
}

// missing makes an absent object damage, and leaves other errors of the store alone.
func missing(what string, err error) error {
	if errors.Is(err, store.ErrNotExist) {
		return damaged("%s is missing", what)
	}
	return err
}
