package sim

import (
	"time"

	"github.com/textground/textground/internal/philox"
)

// network loses, doubles, delays and reorders messages, and cuts links in one direction. Names of ends are those of
// workers; the coordinator's is coordinatorEnd, whoever leads at the moment.
type network struct {
	w      *world
	random *philox.Stream
	faulty bool
	drop   float64
	double float64
	late   float64 // messages that take up to two seconds
	cut    map[link]bool
}

type link struct{ from, to string }

const coordinatorEnd = "coordinator"

// send delivers a message, perhaps: what arrives calls deliver, once for each copy.
func (n *network) send(from, to string, deliver func()) {
	copies := 1
	if n.faulty {
		if n.cut[link{from, to}] || n.random.Chance(n.drop) {
			return
		}
		if n.random.Chance(n.double) {
			copies = 2
		}
	}
	for range copies {
		n.w.clock.after(n.delay(), deliver)
	}
}

func (n *network) delay() time.Duration {
	d := time.Duration(n.random.Range(1, 20) * float64(time.Millisecond))
	if n.faulty && n.random.Chance(n.late) {
		d += time.Duration(n.random.Range(0, 2) * float64(time.Second))
	}
	return d
}
