// Package exchangetest starts NATS servers for the tests of others.
package exchangetest
