package safetensors

import "fmt"

// Rule is a requirement that a file can break.
type Rule string

// The rules, in the order in which a reader meets them.
const (
	RuleHeaderLength Rule = "the header length fits the file and the limit of 8 MiB"
	RuleHeaderStart  Rule = "the header begins with {"
	RuleHeaderText   Rule = "the header is valid UTF-8"
	RuleHeaderJSON   Rule = "the header is one JSON object of tensors, padded with spaces only"
	RuleMetadata     Rule = "__metadata__ is one object of strings"
	RuleUnique       Rule = "no name occurs twice"
	RuleName         Rule = "a name has at most 512 bytes"
	RuleCount        Rule = "a file has at most 65536 tensors"
	RuleFields       Rule = "a tensor has exactly dtype, shape and data_offsets"
	RuleDType        Rule = "the dtype is a known one"
	RuleShape        Rule = "a shape has at most 8 dimensions, each a non-negative integer"
	RuleOffsets      Rule = "data_offsets are two non-negative integers in order, inside the buffer"
	RuleSize         Rule = "the shape times the dtype fills data_offsets exactly"
	RuleHole         Rule = "tensors leave no hole in the buffer"
	RuleOverlap      Rule = "tensors do not overlap"
	RuleTrailing     Rule = "no byte follows the last tensor"
	RuleFinite       Rule = "every value is finite"
)

// Error says which rule a file breaks, at which byte of the file, and with what.
type Error struct {
	Rule   Rule
	Offset int64
	Detail string
}

func (e *Error) Error() string {
	return fmt.Sprintf("safetensors: %s (byte %d breaks the rule: %s)", e.Detail, e.Offset, e.Rule)
}

func broken(rule Rule, offset int64, format string, args ...any) *Error {
	return &Error{Rule: rule, Offset: offset, Detail: fmt.Sprintf(format, args...)}
}
