package core

import (
	"cmp"
	"slices"

	"github.com/textground/textground/proto"
)

// home remembers the assignment of lanes from step to step, so that workers keep the shards they have.
type home struct {
	members []string // for whom owners was made
	owners  []string // by lane
}

// assign gives lanes to members in contiguous runs whose lengths differ by one at most. Members keep the order in which
// they held runs before; newcomers follow by name. So nothing moves while the members stay the same.
func assign(previous, members []string, lanes int) []string {
	var order []string
	for _, name := range previous {
		if slices.Contains(members, name) && !slices.Contains(order, name) {
			order = append(order, name)
		}
	}
	for _, name := range members {
		if !slices.Contains(order, name) {
			order = append(order, name)
		}
	}
	order = order[:min(len(order), lanes)]
	owners := make([]string, lanes)
	for i, name := range order {
		for k := i * lanes / len(order); k < (i+1)*lanes/len(order); k++ {
			owners[k] = name
		}
	}
	return owners
}

// leaseLanes makes the leases of a step that has just been opened, and leases the missing lanes of whoever has gone again
// at once, spread over the members. Parts that have arrived stay.
func (m *Machine) leaseLanes() {
	if !m.round.opened || len(m.members) == 0 {
		return
	}
	if m.round.fresh {
		m.leaseAll()
		return
	}
	if slices.Equal(m.round.leasedTo, m.members) {
		return
	}
	m.round.leasedTo = m.members
	kept := slices.DeleteFunc(slices.Clone(m.round.leases), func(l proto.Lease) bool { return !m.isMember(l.Worker) })
	var orphans []int
	for _, lane := range m.round.missing[proto.Gradients] {
		if !slices.ContainsFunc(kept, func(l proto.Lease) bool { return l.Lane == lane }) {
			orphans = append(orphans, lane)
		}
	}
	if len(orphans) == 0 && len(kept) == len(m.round.leases) {
		return // somebody has joined
	}
	m.setLeases(append(kept, spread(orphans, m.members, m.load(kept, proto.Gradients))...))
	if len(orphans) > 0 {
		m.because("%s leased again", lanesText(orphans))
	}
}

func (m *Machine) leaseAll() {
	if !slices.Equal(m.home.members, m.members) {
		m.home = home{members: m.members, owners: assign(m.home.owners, m.members, m.cfg.Lanes)}
	}
	leases := make([]proto.Lease, m.cfg.Lanes)
	for lane, name := range m.home.owners {
		leases[lane] = proto.Lease{Lane: lane, Worker: name}
	}
	m.round.fresh, m.round.leasedTo = false, m.members
	m.setLeases(leases)
}

func (m *Machine) setLeases(leases []proto.Lease) {
	slices.SortFunc(leases, func(a, b proto.Lease) int {
		return cmp.Or(cmp.Compare(a.Lane, b.Lane), cmp.Compare(a.Worker, b.Worker))
	})
	m.round.leases = leases
	m.listTexts()
}

// listTexts lists the captions asked for: lanes whose texts of the open step or the one after it are missing, from whoever
// holds the lane. None are wanted past the last step.
func (m *Machine) listTexts() {
	texts := m.textsOf(nil, m.round.step, m.round.missing[proto.Texts])
	if m.round.step < m.cfg.last() {
		texts = m.textsOf(texts, m.round.step+1, m.round.nextTexts)
	}
	m.round.texts = texts
}

// textsOf walks leases and missing lanes, both sorted by lane, side by side.
func (m *Machine) textsOf(texts []proto.TextLease, step int, missing []int) []proto.TextLease {
	for _, l := range m.round.leases {
		for len(missing) > 0 && missing[0] < l.Lane {
			missing = missing[1:]
		}
		if len(missing) > 0 && missing[0] == l.Lane {
			texts = append(texts, proto.TextLease{Step: step, Lane: l.Lane, Worker: l.Worker})
		}
	}
	return texts
}

// load counts the leases of each member whose lanes are missing in x.
func (m *Machine) load(leases []proto.Lease, x proto.Exchange) map[string]int {
	load := map[string]int{}
	for _, l := range leases {
		if _, missing := slices.BinarySearch(m.round.missing[x], l.Lane); missing {
			load[l.Worker]++
		}
	}
	return load
}

// spread leases lanes one by one to whoever has the least to do, the first by name where that leaves a choice.
func spread(lanes []int, members []string, load map[string]int) []proto.Lease {
	var leases []proto.Lease
	for _, lane := range lanes {
		name := leastLoaded(members, load)
		leases = append(leases, proto.Lease{Lane: lane, Worker: name})
		load[name]++
	}
	return leases
}
