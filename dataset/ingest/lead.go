package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/textground/textground/exchange"
)

// LeaderName is what a leader is called on the bus; no ingester has it.
const LeaderName = "leader"

// claim is how leaders find each other: each asks, under its name, whether an older one is there, and only an older one
// answers, with its own. Since is when it began, unique, and later ones are greater.
type claim struct {
	Since string `json:"since"`
}

// OtherLeaderError says that an older leader of the same ingest is on the same NATS server.
type OtherLeaderError struct{ Since string }

func (e *OtherLeaderError) Error() string {
	return "another process leads this ingest over this NATS server (" + e.Since + "); help it with --join, or end it first"
}

// How long an answer may take: whoever is there answers at once.
const (
	answerTime = 2 * BeatTime
	claimTime  = BeatTime // a missed answer is heard the next time
)

// Lead answers the ingesters of other processes until stop. since is when this leader began: unique, later ones being greater.
// An older leader is an *[OtherLeaderError], at once or, where both begin together or the other was cut off for a while, later
// through lost: whoever loses the lead ends. The bus stays the caller's.
func (d *Desk) Lead(ctx context.Context, bus *exchange.Bus, since string, lost func(error)) (stop func(), err error) {
	var older *OtherLeaderError
	if err := askForOlder(ctx, bus, since); errors.As(err, &older) {
		return nil, err
	}
	cancel, err := bus.ServeQuestions(func(name string, question []byte) ([]byte, error) {
		if name == LeaderName {
			return answerClaim(since, question)
		}
		return d.answerReport(ctx, since, name, question)
	})
	if err == nil {
		err = flush(ctx, bus)
	}
	if err != nil {
		return nil, err
	}
	ctx, end := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		for pause(ctx, BeatTime) {
			if err := askForOlder(ctx, bus, since); errors.As(err, &older) {
				lost(err)
				return
			}
		}
	})
	return func() {
		cancel()
		end()
		watch.Wait()
	}, nil
}

func flush(ctx context.Context, bus *exchange.Bus) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return bus.Flush(ctx)
}

// askForOlder returns *OtherLeaderError if an older leader answers, and another error if nobody does.
func askForOlder(ctx context.Context, bus *exchange.Bus, since string) error {
	ctx, cancel := context.WithTimeout(ctx, claimTime)
	defer cancel()
	older, err := ask[claim](ctx, bus, claim{since})
	if err == nil {
		return &OtherLeaderError{older.Since}
	}
	return err
}

// answerClaim answers a younger leader; nil says that this one is no older.
func answerClaim(since string, question []byte) ([]byte, error) {
	var other claim
	if err := json.Unmarshal(question, &other); err != nil || other.Since <= since {
		return nil, err
	}
	return json.Marshal(claim{since})
}

func (d *Desk) answerReport(ctx context.Context, since, name string, question []byte) ([]byte, error) {
	var report Report
	if err := json.Unmarshal(question, &report); err != nil {
		return nil, err
	}
	report.Name = name // that of the subject, to which a server's permissions can hold it
	orders, err := d.Report(ctx, report)
	if err != nil {
		return nil, err
	}
	orders.Leader = since
	return json.Marshal(orders)
}

func ask[A any](ctx context.Context, bus *exchange.Bus, question any) (answer A, err error) {
	data, err := json.Marshal(question)
	if err != nil {
		return answer, err
	}
	if data, err = bus.Ask(ctx, data); err != nil {
		return answer, err
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return answer, fmt.Errorf("the leader's answer: %w; leader and ingesters must be of one build", err)
	}
	return answer, nil
}
