// Package archtest holds the import rule of ARCHITECTURE.md as a test. It has no code of its own.
package archtest
