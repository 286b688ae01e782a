package torch

import "fmt"

// Rule is a requirement that a file can break.
type Rule string

// The rules, in the order in which a reader meets them.
const (
	RuleZip       Rule = "the file is a zip archive, as torch.save writes since PyTorch 1.6"
	RuleMembers   Rule = "an archive has at most 65536 members, no two of one name, stored or deflated"
	RuleExpansion Rule = "members unpack to at most 8 times the file's bytes and 1 MiB"
	RulePickle    Rule = "the archive has one data.pkl of at most 16 MiB in a directory at its top"
	RuleByteOrder Rule = "byteorder is little or big"
	RuleEnd       Rule = "the pickle does not end before its STOP"
	RuleOpcode    Rule = "every opcode is one that torch writes (protocols 2 to 5)"
	RuleLength    Rule = "a length or a frame ends inside the pickle"
	RuleStack     Rule = "an opcode finds what it takes on the stack"
	RuleMemo      Rule = "what is taken from the memo was put there"
	RuleObjects   Rule = "a pickle makes at most 524288 objects"
	RuleMarks     Rule = "at most 4096 marks are open"
	RuleStorage   Rule = "a storage has a member with as many bytes as it claims"
	RuleShape     Rule = "a tensor has at most 8 dimensions and as many strides, all non-negative integers"
	RuleRange     Rule = "a tensor lies inside its storage"
	RuleOverlap   Rule = "no two elements of a tensor are the same place"
	RuleTotal     Rule = "all tensors together have at most 4 times the bytes of all storages"
	RuleDepth     Rule = "values nest at most 64 deep"
	RuleName      Rule = "a name has at most 1024 bytes"
	RuleTensors   Rule = "a file has at most 65536 tensors, no two of one name"
	RuleChecksum  Rule = "every member has the checksum that stands beside it"
)

// Error says which rule a file breaks, in which member of the archive at which of its bytes, and with what. Member is empty for
// the archive itself.
type Error struct {
	Rule   Rule
	Member string
	Offset int64
	Detail string
}

func (e *Error) Error() string {
	place := ""
	if e.Member != "" {
		place = e.Member + ", "
	}
	return fmt.Sprintf("torch archive: %s (%sbyte %d breaks the rule: %s)", e.Detail, place, e.Offset, e.Rule)
}

func broken(rule Rule, member string, offset int64, format string, args ...any) *Error {
	return &Error{Rule: rule, Member: member, Offset: offset, Detail: fmt.Sprintf(format, args...)}
}
