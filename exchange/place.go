package exchange

import "github.com/textground/textground/proto"

// place says where each chunk of an exchange is reduced: chunk c by reducer c mod R. Because every chunk is a tree of its own,
// the answer changes no bit. Clients ask it for the subjects of a chunk and know nothing else about reducers.
type place interface {
	partSubject(chunk int) string
	pullSubject(chunk int) string
}

// central is R = 1: the coordinator reduces everything.
type central struct{ run, worker string }

func (p central) partSubject(int) string { return proto.PartSubject(p.run, p.worker) }
func (p central) pullSubject(int) string { return proto.PullSubject(p.run, p.worker) }
