// Package safetensors reads and writes tensor files in the safetensors format, strictly in both directions.
//
// A file is eight bytes of little-endian header length, a JSON header, and one buffer of little-endian, row-major values
// that the header's tensors cover completely: no hole, no overlap, no byte left over. On top of the format's own rules
// stand ours (limits below), and every refusal is an *Error that names the rule it broke and the byte where. The format
// has no checksum and allows NaN: whoever needs integrity keeps digests beside the file (package checkpoint does), and
// whoever needs finite weights calls File.CheckFinite.
//
// Data passes through in one piece (Read, for files that fit in memory twice over) or tensor by tensor (Open, on any
// io.ReaderAt); File.Dense, which gives host tensors, and File.Float32s and its siblings, which give bare values, work on
// both. Of makes a file's tensor of a host tensor, and Write lays tensors out as the reference writer does: widest types
// first, then by name, so equal contents give equal bytes. Anybody may use this package; of ours it imports internal/dense.
package safetensors
