// Package golden replays golden files (docs/goldens.md) on a device and says how far off each tensor is.
//
// A golden file holds inputs, or the recipe they are made from, and the results of an independent implementation in
// float64. [Replay] looks at what the file holds, sends the inputs through package tcl exactly as a run would (texts, lane
// after lane, columns, gradients, updates), and compares everything that the file tells against the bounds of
// docs/goldens.md. The [Report] has one row a group with its worst tensor, and every tensor on request.
//
// The command "textground verify" prints reports; tests replay the tiny files.
package golden
