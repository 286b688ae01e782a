// Package torch reads and writes the files of torch.save: zip archives with one pickle and one member a storage. It reads
// TorchScript archives too, such as those in which OpenAI published CLIP. Nothing in a file is ever executed.
//
// A pickle is a program for a small stack machine. This one builds values and knows five callables: rebuild tensor (two
// versions), rebuild parameter, OrderedDict, and the storage types. Every other class becomes an inert object, whatever is done
// to it, and is listed in File.Ignored. What comes out is a tree of dictionaries, lists and TorchScript modules; its tensors are
// named by their path, joined with dots. Limits stand in limits.go: a file costs little more memory than it has bytes, before a
// tensor is asked for. Each refusal is an *Error that names the rule, the member of the archive and the byte.
//
// Open takes any io.ReaderAt; File.Float32s reads one tensor, checks the member's CRC-32 and undoes strides. Write makes a file
// of float32 tensors that torch.load(weights_only=True) reads: members stored and aligned to 64 bytes, equal contents giving
// equal bytes. Anybody may use this package; of ours it imports internal/dense.
package torch
