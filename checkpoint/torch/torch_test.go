package torch

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// zipped makes an archive of members, in the order of the pairs (name, content), deflated where the name ends in "!".
func zipped(t testing.TB, pairs ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for i := 0; i < len(pairs); i += 2 {
		name, deflated := strings.CutSuffix(pairs[i], "!")
		h := &zip.FileHeader{Name: name, Method: zip.Store}
		if deflated {
			h.Method = zip.Deflate
		}
		w, err := z.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, pairs[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func open(data []byte) (*File, error) { return Open(bytes.NewReader(data), int64(len(data))) }

func mustOpen(t testing.TB, data []byte) *File {
	t.Helper()
	f, err := open(data)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func names(f *File) []string {
	var list []string
	for _, t := range f.Tensors {
		list = append(list, t.Name)
	}
	return list
}

// storage4 pushes storage "0" of 4 float32s, as a program writes it.
const storage4 = "((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x04tQ"

// tensorOf is a program that makes the dictionary {"w": a view of storage4}; offset, sizes and strides are opcodes.
func tensorOf(offset, sizes, strides string) string {
	return "\x80\x02}X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n" + storage4 + offset + "(" + sizes + "t(" + strides + "t\x89ccollections\nOrderedDict\n)Rt" + "Rs."
}

// withPickle makes an archive with that pickle and one storage of 16 bytes.
func withPickle(t testing.TB, pickle string) []byte {
	return zipped(t, "a/data.pkl", pickle, "a/data/0", strings.Repeat("\x01", 16), "a/version", "3\n")
}

func TestReadsWhatPyTorchWrites(t *testing.T) {
	f := mustOpen(t, read(t, "state.pth"))
	want := map[string][]float32{
		"model.weight":     {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11},
		"model.resolution": {224},
		"half":             {1, -0.5, 65504, 0x1p-24},
		"bfloat":           {1, -0.5, 0x1.c4p127},
		"double":           {0.25, -3},
		"long":             {-1, 0, 49408},
		"transposed":       {0, 6, 12, 18, 1, 7, 13, 19, 2, 8, 14, 20, 3, 9, 15, 21, 4, 10, 16, 22, 5, 11, 17, 23},
		"middle":           {8, 9, 10, 14, 15, 16},
		"parameter":        {1, 1},
		"nested.0":         {1}, "nested.1.0": {5}, "empty": {},
		"optimizer.state.0.exp_avg": {1, 1},
	}
	for name, values := range want {
		if got, err := f.Float32s(name); err != nil || !slices.Equal(got, values) {
			t.Errorf("%s: %v, %v; wanted %v", name, got, err, values)
		}
	}
	if !slices.Equal(f.Ignored, []string{"__main__.Config"}) || f.Script {
		t.Errorf("ignored %v, script %v", f.Ignored, f.Script)
	}
	if shape := f.Tensors[slices.Index(names(f), "transposed")].Shape; !slices.Equal(shape, []int{6, 4}) {
		t.Errorf("the transposed tensor has shape %v", shape)
	}
}

func TestReadsTheAttributesOfATorchScriptModule(t *testing.T) {
	f := mustOpen(t, read(t, "script.pt"))
	if got := names(f); !f.Script || !slices.Equal(got, []string{"weight", "resolution", "blocks.0.weight", "blocks.0.bias"}) || len(f.Ignored) > 0 {
		t.Errorf("%v, script %v, ignored %v", got, f.Script, f.Ignored)
	}
	if got, err := f.Float32s("weight"); err != nil || got[11] != 11 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestDeflatedMembersAndBigEndianStoragesAreRead(t *testing.T) {
	var big []byte
	for _, x := range []uint32{0x3f800000, 0xc0000000, 0, 0x40400000} {
		big = binary.BigEndian.AppendUint32(big, x)
	}
	f := mustOpen(t, zipped(t, "a/data.pkl!", tensorOf("K\x00", "K\x04", "K\x01"), "a/data/0!", string(big), "a/byteorder", "big"))
	if got, err := f.Float32s("w"); err != nil || !slices.Equal(got, []float32{1, -2, 0, 3}) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestWhatAFloat32CannotHoldIsRefused(t *testing.T) {
	pickle := strings.ReplaceAll(strings.ReplaceAll(tensorOf("K\x00", "K\x02", "K\x01"), "FloatStorage", "LongStorage"), "cpuK\x04", "cpuK\x02")
	data := binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, 1<<24), 1<<24+1)
	f := mustOpen(t, zipped(t, "a/data.pkl", pickle, "a/data/0", string(data)))
	if _, err := f.Float32s("w"); err == nil || !strings.Contains(err.Error(), "element 1") {
		t.Error(err)
	}
}

// Row 11 of reliability.md section 5.5.
func TestBadInputRow11HostileArchivesAreRefusedByRule(t *testing.T) {
	long := func(n uint64) string { return string(binary.LittleEndian.AppendUint64(nil, n)) }
	fine := tensorOf("K\x00", "K\x04", "K\x01")
	cases := map[string]struct {
		data []byte
		rule Rule
	}{
		"no archive":             {[]byte("GIF89a"), RuleZip},
		"empty":                  {nil, RuleZip},
		"format before 1.6":      {[]byte("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."), RuleZip},
		"cut in the middle":      {withPickle(t, fine)[:200], RuleZip},
		"zip without a pickle":   {zipped(t, "a/x", ""), RulePickle},
		"two pickles":            {zipped(t, "a/data.pkl", ".", "b/data.pkl", "."), RulePickle},
		"nested zip":             {withPickle(t, string(withPickle(t, fine))), RuleOpcode},
		"member twice":           {zipped(t, "a/data.pkl", fine, "a/data.pkl", fine), RuleMembers},
		"zip bomb":               {zipped(t, "a/data.pkl", fine, "a/data/0!", string(make([]byte, 8<<20))), RuleExpansion},
		"byte order":             {zipped(t, "a/data.pkl", fine, "a/byteorder", "mixed"), RuleByteOrder},
		"no STOP":                {withPickle(t, "\x80\x02}"), RuleEnd},
		"protocol 0":             {withPickle(t, "(dp0\n."), RuleOpcode},
		"protocol 9":             {withPickle(t, "\x80\x09."), RuleOpcode},
		"extension":              {withPickle(t, "\x80\x02\x82\x01."), RuleOpcode},
		"BINBYTES8 of 2^38":      {withPickle(t, "\x80\x04\x8e"+long(1<<38)+"."), RuleLength},
		"BINUNICODE8 of 2^64-1":  {withPickle(t, "\x80\x04\x8d"+long(1<<64-1)+"."), RuleLength},
		"FRAME of 2^60":          {withPickle(t, "\x80\x04\x95"+long(1<<60)+"."), RuleLength},
		"LONG4 of 2^31":          {withPickle(t, "\x80\x02\x8b\xff\xff\xff\x7f."), RuleLength},
		"1e6 marks":              {withPickle(t, "\x80\x02"+strings.Repeat("(", 1_000_000)+"."), RuleMarks},
		"1e6 objects":            {withPickle(t, "\x80\x02"+strings.Repeat("}", 1_000_000)+"."), RuleObjects},
		"1e6 memo entries":       {withPickle(t, "\x80\x04}"+strings.Repeat("\x94", 1_000_000)+"."), RuleObjects},
		"stack underflow":        {withPickle(t, "\x80\x02R."), RuleStack},
		"tuple across a mark":    {withPickle(t, "\x80\x02K\x01(\x85."), RuleStack},
		"odd pairs":              {withPickle(t, "\x80\x02}(K\x01u."), RuleStack},
		"empty memo":             {withPickle(t, "\x80\x02h\x07."), RuleMemo},
		"memo loop":              {withPickle(t, "\x80\x02]q\x00h\x00a."), RuleDepth},
		"memo doubling":          {withPickle(t, "\x80\x02]"+doubling(40)+"."), RuleObjects},
		"nested too deep":        {withPickle(t, "\x80\x02"+strings.Repeat("]", 100)+strings.Repeat("a", 99)+"."), RuleDepth},
		"offset outside":         {withPickle(t, tensorOf("K\x01", "K\x04", "K\x01")), RuleRange},
		"shape outside":          {withPickle(t, tensorOf("K\x00", "K\x05", "K\x01")), RuleRange},
		"stride outside":         {withPickle(t, tensorOf("K\x00", "K\x02", "K\x04")), RuleRange},
		"shape overflows":        {withPickle(t, tensorOf("K\x00", strings.Repeat("\x8a\x05\x00\x00\x00\x00\x01", 4), strings.Repeat("K\x00", 4))), RuleRange},
		"negative offset":        {withPickle(t, tensorOf("J\xff\xff\xff\xff", "K\x01", "K\x01")), RuleShape},
		"negative size":          {withPickle(t, tensorOf("K\x00", "J\xff\xff\xff\xff", "K\x01")), RuleShape},
		"nine dimensions":        {withPickle(t, tensorOf("K\x00", strings.Repeat("K\x01", 9), strings.Repeat("K\x01", 9))), RuleShape},
		"strides missing":        {withPickle(t, tensorOf("K\x00", "K\x02K\x02", "K\x01")), RuleShape},
		"strides overlap":        {withPickle(t, tensorOf("K\x00", "K\x02K\x02", "K\x01K\x01")), RuleOverlap},
		"expanded":               {withPickle(t, tensorOf("K\x00", "K\x04", "K\x00")), RuleOverlap},
		"storage larger":         {zipped(t, "a/data.pkl", fine, "a/data/0", "123456789012345"), RuleStorage},
		"storage missing":        {zipped(t, "a/data.pkl", fine), RuleStorage},
		"one storage many times": {withPickle(t, "\x80\x02"+sharing(400)+"."), RuleTotal},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := open(c.data)
			var e *Error
			if !errors.As(err, &e) || e.Rule != c.rule {
				t.Errorf("%v; wanted the rule: %s", err, c.rule)
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("several lines: %q", err)
			}
		})
	}
}

// doubling is a list that holds one list twice, which holds one twice, and so on.
func doubling(levels int) string {
	var p strings.Builder
	p.WriteString("q\x00")
	for i := range levels {
		fmt.Fprintf(&p, "](h%ch%ceq%c", rune(i), rune(i), rune(i+1))
	}
	return p.String()
}

// sharing is a list of tensors that are all the whole of one storage.
func sharing(n int) string {
	one := strings.TrimSuffix(strings.TrimPrefix(tensorOf("K\x00", "K\x04", "K\x01"), "\x80\x02}X\x01\x00\x00\x00w"), "s.")
	return "](" + strings.Repeat(one, n) + "e"
}

func TestBadInputRow11NothingIsEverCalled(t *testing.T) {
	canary := filepath.Join(t.TempDir(), "canary")
	command := "touch " + canary
	calls := "cos\nsystem\n(X" + string(binary.LittleEndian.AppendUint32(nil, uint32(len(command)))) + command + "tR" // posix.system through REDUCE
	news := "cbuiltins\nexec\n)\x81}b"                                                                                // NEWOBJ and BUILD
	whole := strings.TrimPrefix(tensorOf("K\x00", "K\x04", "K\x01"), "\x80\x02")
	pickle := "\x80\x02(" + calls + news + strings.TrimSuffix(whole, ".") + "t."
	f := mustOpen(t, withPickle(t, pickle))
	if !slices.Equal(names(f), []string{"2.w"}) || !slices.Equal(f.Ignored, []string{"builtins.exec", "os.system"}) {
		t.Errorf("tensors %v, ignored %v", names(f), f.Ignored)
	}
	if _, err := os.Stat(canary); err == nil {
		t.Error("the command was executed")
	}
}

func TestBadInputRow11AHostileFileCostsLittleMemory(t *testing.T) {
	for name, data := range map[string][]byte{
		"objects":  withPickle(t, "\x80\x02"+strings.Repeat("}", 4_000_000)+"."),
		"lists":    withPickle(t, "\x80\x02"+strings.Repeat("(l", 2_000_000)+"."),
		"zip bomb": zipped(t, "a/data.pkl!", strings.Repeat("\x80", 15<<20)),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := open(data); err == nil {
			t.Errorf("%s: accepted", name)
		}
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > 80<<20 {
			t.Errorf("%s: %d MB in all", name, took>>20)
		}
	}
}

func TestADamagedMemberIsNamed(t *testing.T) {
	data := withPickle(t, tensorOf("K\x00", "K\x04", "K\x01"))
	at := bytes.Index(data, bytes.Repeat([]byte{1}, 16))
	data[at+3] = 2
	f := mustOpen(t, data)
	var e *Error
	if _, err := f.Float32s("w"); !errors.As(err, &e) || e.Rule != RuleChecksum || e.Member != "a/data/0" {
		t.Error(err)
	}
}

func TestWhatIsWrittenIsReadBackAndAligned(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		var tensors []Named
		for i := range rapid.IntRange(0, 5).Draw(r, "tensors") {
			shape := rapid.SliceOfN(rapid.IntRange(0, 3), 0, 4).Draw(r, "shape")
			n := elements(shape)
			tensors = append(tensors, Named{fmt.Sprintf("t.%d", i), shape, rapid.SliceOfN(rapid.Float32(), n, n).Draw(r, "values")})
		}
		under := rapid.SampledFrom([]string{"", "model"}).Draw(r, "under")
		var first, second bytes.Buffer
		if err := errors.Join(Write(&first, under, tensors), Write(&second, under, tensors)); err != nil {
			r.Fatal(err)
		}
		if !bytes.Equal(first.Bytes(), second.Bytes()) {
			r.Fatal("equal contents, different bytes")
		}
		f, err := open(first.Bytes())
		if err != nil || len(f.Tensors) != len(tensors) || len(f.Ignored) > 0 {
			r.Fatalf("%v, %v", f, err)
		}
		for i, want := range tensors {
			got, err := f.Float32s(f.Tensors[i].Name)
			if err != nil || !slices.Equal(got, want.Values) || !slices.Equal(f.Tensors[i].Shape, want.Shape) || !strings.HasSuffix(f.Tensors[i].Name, want.Name) {
				r.Fatalf("%v: %v, %v", f.Tensors[i], got, err)
			}
		}
		for name, member := range f.archive.members {
			if at, err := member.DataOffset(); err != nil || at%alignment != 0 || member.Method != zip.Store {
				r.Errorf("%s begins at byte %d, %v", name, at, err)
			}
		}
	})
}

func TestWriteRefusesWhatIsNoTensor(t *testing.T) {
	for _, tensors := range [][]Named{
		{{"a", []int{2}, []float32{1}}},
		{{"a", nil, []float32{1}}, {"a", nil, []float32{1}}},
		{{"a", make([]int, 9), nil}},
	} {
		if err := Write(io.Discard, "", tensors); err == nil || !strings.Contains(err.Error(), `"a"`) {
			t.Errorf("%v: %v", tensors, err)
		}
	}
}

// readAll asks for every tensor, and wants as many values as its shape says.
func readAll(t *testing.T, f *File) {
	for _, tensor := range f.Tensors {
		values, err := f.Float32s(tensor.Name)
		if err == nil && len(values) != elements(tensor.Shape) {
			t.Errorf("%v has %d values", tensor, len(values))
		}
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(read(f, "state.pth"))
	f.Add(read(f, "script.pt"))
	f.Add(withPickle(f, tensorOf("K\x00", "K\x04", "K\x01")))
	f.Fuzz(func(t *testing.T, data []byte) {
		if file, err := open(data); err == nil {
			readAll(t, file)
		}
	})
}

// FuzzPickle fuzzes the pickle alone, which a checksum hides from FuzzOpen.
func FuzzPickle(f *testing.F) {
	f.Add([]byte(tensorOf("K\x00", "K\x04", "K\x01")))
	f.Add([]byte("\x80\x02](" + strings.Repeat("K\x01", 3) + "e."))
	f.Add([]byte("\x80\x04\x95\x08\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94\x8c\x01x\x93\x94)\x81}b."))
	for _, name := range []string{"state.pth", "script.pt"} {
		a := mustOpen(f, read(f, name)).archive
		pickle, err := a.read(a.root + "data.pkl")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(pickle)
	}
	f.Fuzz(func(t *testing.T, pickle []byte) {
		if file, err := open(withPickle(t, string(pickle))); err == nil {
			readAll(t, file)
		}
	})
}

func TestAFileOfAnotherKindIsToldWhatToNameInstead(t *testing.T) {
	text := []byte("url,caption\n")
	if _, err := Open(bytes.NewReader(text), int64(len(text))); err == nil || !strings.Contains(err.Error(), "name what torch.save wrote, or a safetensors file") {
		t.Error(err)
	}
}
