package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/textground/textground/store"
)

const (
	busKey   = "ingest/bus.json"
	busBytes = 1 << 10
)

// busName is what the ingest of one place is called on a NATS server. It lies in that place, and not in the plan, since two
// places may have one plan, and since machines may reach one place by different addresses.
type busName struct {
	Name string `json:"name"`
}

// NameBus makes the name of home's ingest from fresh, letters and digits that nobody else has, unless it has one. It is for
// whoever leads.
func NameBus(ctx context.Context, home store.Store, fresh string) error {
	data, err := json.Marshal(busName{"ingest-" + strings.ToLower(fresh)})
	if err == nil {
		err = home.PutNew(ctx, busKey, append(data, '\n'))
	}
	if err != nil && !errors.Is(err, store.ErrExists) {
		return fmt.Errorf("naming the ingest in %s: %w", home, err)
	}
	return nil
}

// BusRun returns the run in whose subjects the ingesters of a plan talk, or [store.ErrNotExist] where nobody has led over NATS.
// Each generation has its own, as parts of one are not those of the next.
func BusRun(ctx context.Context, home store.Store, plan *Plan) (string, error) {
	data, err := readObject(ctx, home, busKey, busBytes)
	if err != nil {
		return "", err
	}
	var b busName
	if err = json.Unmarshal(data, &b); err == nil && b.Name == "" {
		err = errors.New("it holds no name")
	}
	if err != nil {
		return "", fmt.Errorf("%s in %s is damaged (%w); delete it and start the leader again", busKey, home, err)
	}
	return fmt.Sprintf("%s-%d", b.Name, plan.Generation), nil
}
