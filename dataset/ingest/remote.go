package ingest

import (
	"context"

	"github.com/hashicorp/go-hclog"

	"github.com/textground/textground/exchange"
)

// Remote is a [Leader] in another process. It says when that is away and when another has taken its place. Use it for one
// crawler.
type Remote struct {
	bus    *exchange.Bus
	log    hclog.Logger
	leader string // who answered last
	away   bool
}

// NewRemote returns the leader that is asked over bus.
func NewRemote(bus *exchange.Bus, log hclog.Logger) *Remote { return &Remote{bus: bus, log: log} }

// Report asks the leader once.
func (r *Remote) Report(ctx context.Context, report Report) (Orders, error) {
	asking, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	orders, err := ask[Orders](asking, r.bus, report)
	if ctx.Err() == nil {
		r.notice(orders.Leader, err)
	}
	return orders, err
}

func (r *Remote) notice(leader string, err error) {
	switch {
	case err != nil && !r.away:
		r.log.Warn("the leader does not answer; what is under way goes on", "for", leaderAway, "error", err)
	case err != nil:
	case r.leader != "" && leader != r.leader:
		r.log.Info("the ingest has a new leader", "since", leader)
	case r.away:
		r.log.Info("the leader answers")
	}
	if r.away = err != nil; !r.away {
		r.leader = leader
	}
}
