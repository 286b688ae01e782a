package core

import (
	"maps"
	"slices"

	"github.com/textground/textground/proto"
)

// orders says the machine's whole will, with the sequence number of the orders before.
func (m *Machine) orders() proto.Orders {
	o := proto.Orders{
		Epoch: m.cfg.Epoch, Turn: m.turn, Sequence: m.sent.Sequence, Mode: m.currentMode(),
		Step: m.committed + 1, Committed: m.committed, Digest: m.digest,
		Members: m.members, Peers: m.peers, Refused: m.refused(),
	}
	switch o.Mode {
	case proto.Loading:
		base := m.base
		o.Base = &base
	case proto.Running:
		o.Leases, o.Texts = m.round.leases, m.round.texts
		o.Rates = m.cfg.Rates(o.Step)
	case proto.Stopped:
		o.Reason = m.reason
	}
	if m.save != nil && m.phase == holding {
		order := m.save.order
		o.Save = &order
	}
	return o
}

func (m *Machine) currentMode() proto.Mode {
	switch {
	case m.phase == collecting:
		return proto.Collecting
	case m.phase == loading:
		return proto.Loading
	case m.phase == over:
		return m.mode
	case m.phase == fenced:
		return proto.Stopped
	case m.holdsNextStep():
		return proto.Sealing
	}
	return proto.Running
}

// sameOrders compares everything but the sequence number.
func sameOrders(a, b proto.Orders) bool {
	return a.Epoch == b.Epoch && a.Turn == b.Turn && a.Mode == b.Mode && a.Step == b.Step && a.Committed == b.Committed &&
		a.Digest == b.Digest && a.Rates == b.Rates && a.Reason == b.Reason &&
		slices.Equal(a.Members, b.Members) && slices.Equal(a.Leases, b.Leases) && slices.Equal(a.Texts, b.Texts) &&
		maps.Equal(a.Peers, b.Peers) && maps.Equal(a.Refused, b.Refused) &&
		sameBase(a.Base, b.Base) && sameSave(a.Save, b.Save)
}

func sameBase(a, b *proto.Base) bool {
	return a == b || a != nil && b != nil && *a == *b
}

func sameSave(a, b *proto.Save) bool {
	return a == b || a != nil && b != nil && a.Nonce == b.Nonce && a.Step == b.Step
}
