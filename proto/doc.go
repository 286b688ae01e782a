// Package proto holds the words that coordinator and workers share: the run file, the two control messages, the names of
// subjects, limits, and the shape of the sum tree. It imports nothing of ours, so everything may import it.
//
// Control is level-triggered. The coordinator says what it wants ([Orders]), a worker says what is the case ([Report]);
// both are sent at every change and again twice a second, and a newer one replaces an older one. A lost, repeated or late
// message therefore costs time and nothing else. Bulk data (texts, column sums, gradients, state) travels apart from them,
// in package exchange.
package proto
