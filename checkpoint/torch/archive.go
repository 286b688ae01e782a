package torch

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
)

// archive is the zip file: its members by name, and the directory that all of them lie in.
type archive struct {
	members map[string]*zip.File
	root    string // with a slash at its end
	order   binary.ByteOrder
	bytes   int64 // of all members, unpacked
}

func openArchive(r io.ReaderAt, size int64) (*archive, error) {
	if err := refuseOtherFormats(r, size); err != nil {
		return nil, err
	}
	z, err := zip.NewReader(r, size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) { // no path is ever opened
		return nil, broken(RuleZip, "", 0, "%v", err)
	}
	if len(z.File) > maxMembers {
		return nil, broken(RuleMembers, "", 0, "%d members", len(z.File))
	}
	a := &archive{members: make(map[string]*zip.File, len(z.File)), order: binary.LittleEndian}
	for _, f := range z.File {
		if err := a.add(f, size); err != nil {
			return nil, err
		}
	}
	if err := a.findRoot(z.File); err != nil {
		return nil, err
	}
	return a, a.readByteOrder()
}

// refuseOtherFormats looks at the first bytes for what people mistake for such an archive.
func refuseOtherFormats(r io.ReaderAt, size int64) error {
	head := make([]byte, min(size, 512))
	if n, err := r.ReadAt(head, 0); n < len(head) {
		return err
	}
	const convert = `convert it with PyTorch: python -c "import torch; torch.save(torch.load('OLD', map_location='cpu', weights_only=True), 'NEW.pth')"`
	switch {
	case bytes.HasPrefix(head, []byte("PK")):
		return nil
	case bytes.HasPrefix(head, []byte{0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46}): // torch.save's magic number before 1.6
		return broken(RuleZip, "", 0, "this is PyTorch's format from before 1.6; %s", convert)
	case len(head) > 262 && string(head[257:262]) == "ustar":
		return broken(RuleZip, "", 0, "this is a tar file, PyTorch's format before 0.2; %s", convert)
	case bytes.HasPrefix(head, []byte("version https://git-lfs")):
		return broken(RuleZip, "", 0, "this is a Git LFS pointer and not the file itself; fetch it with: git lfs pull")
	}
	return broken(RuleZip, "", 0, "a file of %d bytes that begins with %q is none; name what torch.save wrote, or a safetensors file", size, head[:min(len(head), 8)])
}

// add takes a member in, after a look at what its header claims.
func (a *archive) add(f *zip.File, size int64) error {
	if _, twice := a.members[f.Name]; twice {
		return broken(RuleMembers, f.Name, 0, "the name stands twice in the archive")
	}
	if f.Method != zip.Store && f.Method != zip.Deflate {
		return broken(RuleMembers, f.Name, 0, "compressed by method %d", f.Method)
	}
	limit := uint64(maxExpansion*size + 1<<20)
	if f.UncompressedSize64 > limit || f.Method == zip.Store && f.UncompressedSize64 > uint64(size) {
		return broken(RuleExpansion, f.Name, 0, "the member unpacks to %d bytes, in a file of %d", f.UncompressedSize64, size)
	}
	a.bytes += int64(f.UncompressedSize64)
	if uint64(a.bytes) > limit {
		return broken(RuleExpansion, f.Name, 0, "the members unpack to %d bytes and more, in a file of %d", a.bytes, size)
	}
	a.members[f.Name] = f
	return nil
}

func (a *archive) findRoot(files []*zip.File) error {
	found := 0
	for _, f := range files {
		if root, ok := strings.CutSuffix(f.Name, "/data.pkl"); ok && !strings.Contains(root, "/") {
			a.root = root + "/"
			found++
		}
	}
	if found != 1 {
		return broken(RulePickle, "", 0, "%d of them in %d members: it was not written by torch.save or torch.jit.save", found, len(files))
	}
	if n := a.members[a.root+"data.pkl"].UncompressedSize64; n > maxPickleBytes {
		return broken(RulePickle, a.root+"data.pkl", 0, "a pickle of %d bytes", n)
	}
	return nil
}

func (a *archive) readByteOrder() error {
	name := a.root + "byteorder"
	f, ok := a.members[name]
	if !ok {
		return nil // older PyTorch, on little-endian machines in practice
	}
	if f.UncompressedSize64 > 16 {
		return broken(RuleByteOrder, name, 0, "%d bytes", f.UncompressedSize64)
	}
	text, err := a.read(name)
	switch {
	case err != nil:
		return err
	case string(text) == "big":
		a.order = binary.BigEndian
	case string(text) != "little":
		return broken(RuleByteOrder, name, 0, "it is %q", text)
	}
	return nil
}

// read unpacks a member, whose size was checked when the archive was opened, and compares its checksum.
func (a *archive) read(name string) ([]byte, error) {
	f, ok := a.members[name]
	if !ok {
		return nil, broken(RuleStorage, name, 0, "there is no such member")
	}
	in, err := f.Open()
	if err != nil {
		return nil, broken(RuleZip, name, 0, "%v", err)
	}
	defer in.Close()
	data := make([]byte, f.UncompressedSize64)
	if _, err := io.ReadFull(in, data); err != nil {
		return nil, a.readError(name, err)
	}
	switch n, err := io.ReadFull(in, make([]byte, 1)); { // the checksum is compared at the end
	case n > 0:
		return nil, broken(RuleExpansion, name, 0, "the member unpacks to more than the %d bytes that the archive says", len(data))
	case err != io.EOF:
		return nil, a.readError(name, err)
	}
	return data, nil
}

func (a *archive) readError(name string, err error) error {
	if errors.Is(err, zip.ErrChecksum) {
		return broken(RuleChecksum, name, 0, "the member is damaged; copy the file again")
	}
	return broken(RuleZip, name, 0, "cannot unpack: %v", err)
}
