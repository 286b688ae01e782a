// Package storetest is the suite that every store passes, and what tests need around stores: faults at a chosen operation
// (Faulty) and a real S3 server on the loopback interface (StartVersityGW).
//
// A test hands Run a function that opens an empty store; Run drives it through the interface alone. Faulty wraps a real
// store and decides before each operation what goes wrong, by the operation's number, so that a test can stop a writer at
// every point of what it does. Only tests call this package.
package storetest
