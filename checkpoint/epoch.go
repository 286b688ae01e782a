package checkpoint

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/textground/textground/store"
)

// ClaimEpoch creates the next fencing token of a lineage and returns its number: from then on every coordinator with a
// lower one is refused by Seal. nonce tells claimants apart; a claim whose answer was lost is recognised by it.
func ClaimEpoch(ctx context.Context, st store.Store, l Lineage, nonce string) (int, error) {
	if err := cmp.Or(l.check(), Writer{Nonce: nonce}.check()); err != nil {
		return 0, fmt.Errorf("claim an epoch: %w", err)
	}
	const attempts = 100 // each lost one was won by another claimant
	for range attempts {
		highest, err := HighestEpoch(ctx, st, l)
		if err != nil {
			return 0, err
		}
		won, err := claim(ctx, st, l.epochKey(highest+1), nonce)
		if err != nil {
			return 0, fmt.Errorf("claim epoch %d of %s: %w", highest+1, l, err)
		}
		if won {
			return highest + 1, nil
		}
	}
	return 0, fmt.Errorf("claim an epoch of %s: lost %d times to others: are many coordinators starting at once?", l, attempts)
}

func claim(ctx context.Context, st store.Store, key, nonce string) (bool, error) {
	err := st.PutNew(ctx, key, []byte(nonce))
	if err == nil {
		return true, nil
	}
	if !errors.Is(err, store.ErrExists) {
		return false, err
	}
	owner, err := store.ReadAll(ctx, st, key)
	return string(owner) == nonce, err
}

// HighestEpoch is the number of the newest fencing token, 0 before the first claim.
func HighestEpoch(ctx context.Context, st store.Store, l Lineage) (int, error) {
	infos, err := st.List(ctx, l.epochsPrefix())
	if err != nil {
		return 0, fmt.Errorf("find the epoch of %s: %w", l, err)
	}
	highest := 0
	for _, info := range infos {
		epoch, err := strconv.Atoi(strings.TrimPrefix(info.Key, l.epochsPrefix()))
		if err != nil {
			return 0, fmt.Errorf("find the epoch of %s: %s is no epoch key", l, info.Key)
		}
		highest = max(highest, epoch)
	}
	return highest, nil
}
