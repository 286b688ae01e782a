// Package worker computes leased lanes and applies updates.
//
// A [Worker] follows the coordinator's latest proto.Orders and says in a proto.Report what is the case. One goroutine
// does everything that touches the model: it looks at the orders, does one piece of work (embed a lane's captions, one
// forward pass, one backward pass, one update), and looks again. Data of a step comes from dataset.Loader; what crosses
// lanes goes through exchange.Client; saves are copied at a step's boundary and written in the background by package
// checkpoint. A worker holds a full copy of the model, with or without lanes, and every worker's copy has the same bits.
//
// The command `textground worker` is the only caller: New, then Run until it returns.
package worker
