// Package store holds objects: dataset shards, checkpoint volumes, manifests, fencing tokens. An object is a key and bytes,
// written whole and read in ranges; the operation that everything safe is built on is PutNew, which creates a key or
// refuses, so that two writers can never both believe that they were first.
//
// There are three implementations behind one interface: a directory (file://, with link(2) for PutNew and an fsync before
// every success), an S3 bucket (s3://, one conditional PUT an object), and memory. Bytes pass straight through; nothing is
// cached. Outages are ridden out here and nowhere above: an S3 call is retried for about a minute, each retry reported to
// OnRetry, then the error says what to mend. Every implementation passes storetest.Run, so a new one is a file and a line
// of test.
//
// Anybody may call this package; it is the one home of minio-go. A coordinator calls Probe once at start, before it trusts
// a bucket with a run.
package store
