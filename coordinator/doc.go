// Package coordinator is the shell around coordinator/core: it turns messages into the machine's events and the machine's
// actions into messages, sums, manifests and files. It decides nothing.
//
// One goroutine ([Coordinator.Run]) feeds the machine and carries its actions out in order; the exchange hub sums bulk data
// on goroutines of its own and reports progress as events; a save is sealed on a goroutine of its own. The run's directory
// receives status.json (for ps and the live page), metrics.jsonl (one line a committed step), journal.jsonl (faults) and
// result.json.
//
// The command `textground coordinator` is the only caller.
package coordinator
