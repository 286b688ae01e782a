// Package exchange moves big vectors between workers and coordinator, exactly: in chunks with credit and checksums, summed
// in one fixed order, and it is the one home of NATS.
//
// A [Bus] is a connection (a [Server] is the embedded NATS server at its other end); it carries orders and reports as they
// are, and bulk frames for the two ends of an exchange. A worker's [Client] cuts what it contributes into chunks and sends
// those that the coordinator's [Hub] has room for; the hub adds each chunk up in a [Tree] of its own, tells everybody how far
// it is, and workers pull the reduced chunks. Every frame has a CRC32C, is acknowledged or answered, and is asked for again
// when nothing comes: core NATS may drop it, and that costs time, never a sum. Where a chunk is summed is decided in one place
// (place.go) and changes no bit.
//
// coordinator, worker and dataset/ingest call this package, and nothing below them does. A Client and a Hub start goroutines of their own and
// end them in Close; their methods may be called from any goroutine.
package exchange
