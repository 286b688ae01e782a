// Package core takes every decision of a run's coordinator: who is a member, who holds which lane, when a step is
// committed, when a checkpoint is due, when the run ends. It is a pure state machine: no goroutine, clock, random number or
// I/O, and the same events always give the same actions. It imports package proto alone.
//
// Events go in, actions come out: [Machine.Handle] notes the facts of one event (time itself is one, [Tick]) and then
// decides everything again from all facts known. That makes it level-triggered like the messages it sends: a lost or
// repeated report costs time and nothing else. One call may give several actions; their order is the order in which they
// must be carried out, and each says why it was taken.
//
// Package coordinator is the shell that turns messages into events and actions into I/O; package coordinator/sim runs the
// machine under seeded faults. Nobody else calls it. A Machine is for one goroutine at a time.
package core
