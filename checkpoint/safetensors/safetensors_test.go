package safetensors

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/textground/textground/internal/dense"
)

// file frames a header text and a buffer of zeros.
func file(header string, buffer int) []byte {
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	out = append(out, header...)
	return append(out, make([]byte, buffer)...)
}

// entry is a header with one tensor.
func entry(fields string) string { return `{"a":{` + fields + `}}` }

// Row 9 of reliability.md section 5.5.
func TestBadInputRow9EveryBrokenRuleIsNamed(t *testing.T) {
	manyTensors := func(n int) string {
		var b strings.Builder
		b.WriteByte('{')
		for i := range n {
			fmt.Fprintf(&b, `"%d":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},`, i)
		}
		return strings.TrimSuffix(b.String(), ",") + "}"
	}
	const ok = `"dtype":"F32","shape":[2],"data_offsets":[0,8]`
	cases := map[string]struct {
		data []byte
		rule Rule
	}{
		"empty file":               {nil, RuleHeaderLength},
		"header length 2^63":       {append([]byte{0, 0, 0, 0, 0, 0, 0, 0x80}, "{}"...), RuleHeaderLength},
		"header length 2^64-1":     {bytes.Repeat([]byte{0xff}, 16), RuleHeaderLength},
		"header length 0":          {file("", 0), RuleHeaderStart},
		"header beyond the file":   {append([]byte{9, 0, 0, 0, 0, 0, 0, 0}, "{}"...), RuleHeaderLength},
		"header over 8 MiB":        {file("{"+strings.Repeat(" ", MaxHeaderBytes)+"}", 0), RuleHeaderLength},
		"not beginning with {":     {file(" {}", 0), RuleHeaderStart},
		"an array":                 {file("[]", 0), RuleHeaderStart},
		"invalid UTF-8":            {file("{\"\xff\":1}", 0), RuleHeaderText},
		"cut JSON":                 {file(`{"a"`, 0), RuleHeaderJSON},
		"two objects":              {file(`{}{}`, 0), RuleHeaderJSON},
		"padded with a newline":    {file("{}\n", 0), RuleHeaderJSON},
		"unpaired surrogate":       {file(`{"\ud800":{`+ok+`}}`, 8), RuleHeaderJSON},
		"unknown escape":           {file(`{"\x41":{`+ok+`}}`, 8), RuleHeaderJSON},
		"control byte in a name":   {file("{\"a\n\":{"+ok+"}}", 8), RuleHeaderJSON},
		"duplicate names":          {file(`{"a":{`+ok+`},"a":{`+ok+`}}`, 8), RuleUnique},
		"duplicate by escape":      {file(`{"a":{`+ok+`},"\u0061":{`+ok+`}}`, 8), RuleUnique},
		"duplicate field":          {file(entry(ok+`,"dtype":"F32"`), 8), RuleUnique},
		"duplicate metadata":       {file(`{"__metadata__":{"k":"1","k":"2"}}`, 0), RuleUnique},
		"duplicate __metadata__":   {file(`{"__metadata__":{},"__metadata__":{}}`, 0), RuleUnique},
		"metadata number":          {file(`{"__metadata__":{"k":1}}`, 0), RuleMetadata},
		"metadata object":          {file(`{"__metadata__":{"k":{}}}`, 0), RuleMetadata},
		"metadata null":            {file(`{"__metadata__":null}`, 0), RuleMetadata},
		"a name of 513 bytes":      {file(`{"`+strings.Repeat("n", 513)+`":{`+ok+`}}`, 8), RuleName},
		"200 000 tensors":          {file(manyTensors(100_000), 0), RuleCount},
		"JSON a million deep":      {file(`{"a":`+strings.Repeat("[", 1_000_000)+`}`, 0), RuleFields},
		"objects a million deep":   {file(strings.Repeat(`{"a":`, 1_000_000), 0), RuleFields},
		"missing dtype":            {file(entry(`"shape":[2],"data_offsets":[0,8]`), 8), RuleFields},
		"unknown field":            {file(entry(ok+`,"strides":[1]`), 8), RuleFields},
		"unknown dtype":            {file(entry(`"dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8]`), 8), RuleDType},
		"dtype a number":           {file(entry(`"dtype":4,"shape":[2],"data_offsets":[0,8]`), 8), RuleDType},
		"negative shape":           {file(entry(`"dtype":"F32","shape":[-2],"data_offsets":[0,8]`), 8), RuleShape},
		"fractional shape":         {file(entry(`"dtype":"F32","shape":[2.0],"data_offsets":[0,8]`), 8), RuleShape},
		"exponent in a shape":      {file(entry(`"dtype":"F32","shape":[2e0],"data_offsets":[0,8]`), 8), RuleShape},
		"leading zero in a shape":  {file(entry(`"dtype":"F32","shape":[02],"data_offsets":[0,8]`), 8), RuleShape},
		"dimension of 2^64":        {file(entry(`"dtype":"F32","shape":[18446744073709551616],"data_offsets":[0,8]`), 8), RuleShape},
		"rank 9":                   {file(entry(`"dtype":"F32","shape":[2,1,1,1,1,1,1,1,1],"data_offsets":[0,8]`), 8), RuleShape},
		"overflowing shape":        {file(entry(`"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]`), 0), RuleSize},
		"shape and bytes disagree": {file(entry(`"dtype":"F32","shape":[3],"data_offsets":[0,8]`), 8), RuleSize},
		"offsets out of order":     {file(entry(`"dtype":"F32","shape":[2],"data_offsets":[8,0]`), 8), RuleOffsets},
		"negative offsets":         {file(entry(`"dtype":"F32","shape":[2],"data_offsets":[-8,0]`), 8), RuleOffsets},
		"three offsets":            {file(entry(`"dtype":"F32","shape":[2],"data_offsets":[0,8,8]`), 8), RuleOffsets},
		"one offset":               {file(entry(`"dtype":"F32","shape":[2],"data_offsets":[0]`), 8), RuleOffsets},
		"offsets past the buffer":  {file(entry(ok), 7), RuleOffsets},
		"hole at the start":        {file(entry(`"dtype":"F32","shape":[1],"data_offsets":[4,8]`), 8), RuleHole},
		"hole in the middle":       {file(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[3,5]}}`, 5), RuleHole},
		"overlap":                  {file(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}`, 3), RuleOverlap},
		"same bytes twice":         {file(`{"a":{`+ok+`},"b":{`+ok+`}}`, 8), RuleOverlap},
		"trailing bytes":           {file(entry(ok), 9), RuleTrailing},
		"trailing without tensors": {file("{}", 1), RuleTrailing},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			for how, read := range readers {
				_, err := read(c.data)
				var broken *Error
				if !errors.As(err, &broken) || broken.Rule != c.rule {
					t.Fatalf("%s: got %v, want the rule %q", how, err, c.rule)
				}
				if strings.Contains(err.Error(), "\n") || len(err.Error()) > 1000 {
					t.Errorf("%s: not a short line: %q", how, err)
				}
			}
		})
	}
}

var readers = map[string]func([]byte) (*File, error){
	"Read": Read,
	"Open": func(data []byte) (*File, error) { return Open(bytes.NewReader(data), int64(len(data))) },
}

func TestBadInputRow9AHostileHeaderCostsLittleMemory(t *testing.T) {
	data := file(strings.Repeat(`{"a":`, 1_000_000), 0)
	allocated := testing.AllocsPerRun(1, func() { _, _ = Read(data) })
	if allocated > 100 {
		t.Errorf("%v allocations for a header that is wrong at byte 6", allocated)
	}
}

func TestBadInputRow9NonFiniteWeightsAreFoundWhenAsked(t *testing.T) {
	for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))} {
		data, err := Encode([]Tensor{Of("w", dense.Of([]float32{1, math.MaxFloat32, bad}, 3))}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for how, read := range readers {
			f, err := read(data)
			if err != nil {
				t.Fatalf("%s: %v", how, err)
			}
			var broken *Error
			if err := f.CheckFinite(""); !errors.As(err, &broken) || broken.Rule != RuleFinite || !strings.Contains(err.Error(), `"w"`) || !strings.Contains(err.Error(), "element 2") {
				t.Errorf("%s: %v gave %v", how, bad, err)
			}
		}
	}
}

func TestBadInputRow9AWrongShapeOfTheSameBytesIsRefused(t *testing.T) {
	data, err := Encode([]Tensor{Of("w", dense.Of(make([]float32, 6), 2, 3))}, nil)
	if err != nil {
		t.Fatal(err)
	}
	f, err := Read(data)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Want("w", F32, []int{3, 2}); err == nil || !strings.Contains(err.Error(), "F32 [2 3], wanted F32 [3 2]") {
		t.Errorf("shape: %v", err)
	}
	if _, err := f.Want("w", I32, []int{2, 3}); err == nil {
		t.Error("another dtype of the same width was accepted")
	}
	if _, err := f.Want("v", F32, []int{2, 3}); err == nil || !strings.Contains(err.Error(), `no tensor "v"`) {
		t.Errorf("missing: %v", err)
	}
	if _, err := f.Want("w", F32, []int{2, 3}); err != nil {
		t.Error(err)
	}
}

func TestWhatTheWriterMustNotWriteIsRefused(t *testing.T) {
	cases := map[string]struct {
		tensors  []Tensor
		metadata map[string]string
	}{
		"twice the same name": {[]Tensor{Of("a", dense.Of([]uint8{1})), Of("a", dense.Of([]uint8{1}))}, nil},
		"reserved name":       {[]Tensor{Of("__metadata__", dense.Of([]uint8{1}))}, nil},
		"name not UTF-8":      {[]Tensor{Of("\xff", dense.Of([]uint8{1}))}, nil},
		"wrong length":        {[]Tensor{{Name: "a", DType: U8, Shape: []int{2}, Data: []byte{1}}}, nil},
		"negative dimension":  {[]Tensor{{Name: "a", DType: U8, Shape: []int{-1}, Data: []byte{1}}}, nil},
		"unknown dtype":       {[]Tensor{{Name: "a", DType: "F8", Shape: []int{1}, Data: []byte{1}}}, nil},
		"metadata not UTF-8":  {nil, map[string]string{"k": "\xff"}},
		"header over 8 MiB":   {nil, map[string]string{"k": strings.Repeat("x", MaxHeaderBytes)}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			var broken *Error
			if err := Write(&out, c.tensors, c.metadata); !errors.As(err, &broken) {
				t.Errorf("got %v", err)
			}
			if out.Len() > 0 {
				t.Errorf("%d bytes were written first", out.Len())
			}
		})
	}
}

func TestGoldenFile(t *testing.T) {
	data, err := os.ReadFile("testdata/tiny_eval.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	f, err := Read(data)
	if err != nil {
		t.Fatal(err)
	}
	if f.Metadata["format"] != "tcl-golden-1" {
		t.Errorf("metadata %v", f.Metadata)
	}
	confusion, err := f.Int64s("eval.confusion")
	if err != nil || len(confusion) != 36 {
		t.Errorf("eval.confusion: %d values, %v", len(confusion), err)
	}
	image, err := f.Bytes("in.eval_image")
	if err != nil || len(image) == 0 {
		t.Errorf("in.eval_image: %d values, %v", len(image), err)
	}
	again, err := Encode(f.Tensors, f.Metadata)
	if err != nil {
		t.Fatal(err)
	}
	g, err := Read(again)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(contents(f.Tensors), contents(g.Tensors)); diff != "" {
		t.Errorf("written and read again (-want +got):\n%s", diff)
	}
}

// contents drops the places, which depend on the order of equals.
func contents(tensors []Tensor) map[string]Tensor {
	out := map[string]Tensor{}
	for _, t := range tensors {
		t.Begin, t.End = 0, 0
		out[t.Name] = t
	}
	return out
}

func TestWhatIsWrittenIsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tensors := rapid.SliceOfNDistinct(anyTensor(), 0, 6, func(t Tensor) string { return t.Name }).Draw(t, "tensors")
		metadata := rapid.MapOfN(rapid.String(), rapid.String(), 0, 3).Draw(t, "metadata")
		data, err := Encode(tensors, metadata)
		if err != nil {
			t.Fatal(err)
		}
		for how, read := range readers {
			f, err := read(data)
			if err != nil {
				t.Fatalf("%s: %v", how, err)
			}
			if diff := cmp.Diff(metadata, f.Metadata); diff != "" {
				t.Errorf("%s: metadata: %s", how, diff)
			}
			for _, want := range tensors {
				got, err := f.Want(want.Name, want.DType, want.Shape)
				if err != nil || !bytes.Equal(got.Data, want.Data) {
					t.Errorf("%s: tensor %q: %v", how, want.Name, err)
				}
			}
		}
		reversed := make([]Tensor, len(tensors))
		for i, tensor := range tensors {
			reversed[len(tensors)-1-i] = tensor
		}
		if again, err := Encode(reversed, metadata); err != nil || !bytes.Equal(data, again) {
			t.Errorf("another order of arguments, other bytes (%v)", err)
		}
	})
}

func anyTensor() *rapid.Generator[Tensor] {
	return rapid.Custom(func(t *rapid.T) Tensor {
		out := Tensor{
			Name:  rapid.StringN(0, 12, 100).Filter(func(s string) bool { return s != metadataName }).Draw(t, "name"),
			DType: rapid.SampledFrom([]DType{F64, F32, F16, BF16, I64, I32, I16, I8, U64, U32, U16, U8, Bool}).Draw(t, "dtype"),
			Shape: rapid.SliceOfN(rapid.IntRange(0, 3), 0, 4).Draw(t, "shape"),
		}
		n := out.Elements() * out.DType.Size()
		out.Data = rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "data")
		return out
	})
}

func TestValuesWidenExactly(t *testing.T) {
	half := Tensor{DType: F16, Data: binary.LittleEndian.AppendUint16(nil, 0)[:0]}
	for _, h := range []uint16{0x0000, 0x8000, 0x0001, 0x03ff, 0x0400, 0x3c00, 0xc000, 0x7bff, 0x7c00, 0xfc00} {
		half.Data = binary.LittleEndian.AppendUint16(half.Data, h)
	}
	want := []float32{0, float32(math.Copysign(0, -1)), 0x1p-24, 1023 * 0x1p-24, 0x1p-14, 1, -2, 65504, float32(math.Inf(1)), float32(math.Inf(-1))}
	got, err := half.Float32s()
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			t.Errorf("half %d: got %v, want %v", i, got[i], want[i])
		}
	}
	brain := Tensor{DType: BF16, Data: []byte{0x80, 0x3f, 0x00, 0xc0}}
	if got, err := brain.Float64s(); err != nil || !cmp.Equal(got, []float64{1, -2}) {
		t.Errorf("bfloat16: %v, %v", got, err)
	}
	if got, err := (Tensor{DType: I8, Data: []byte{0xff}}).Int64s(); err != nil || !cmp.Equal(got, []int64{-1}) {
		t.Errorf("int8: %v, %v", got, err)
	}
	if got, err := (Tensor{DType: U32, Data: []byte{0xff, 0xff, 0xff, 0xff}}).Int64s(); err != nil || !cmp.Equal(got, []int64{math.MaxUint32}) {
		t.Errorf("uint32: %v, %v", got, err)
	}
}

func TestAConversionThatLosesDigitsIsRefused(t *testing.T) {
	if _, err := (Tensor{Name: "x", DType: F64}).Float32s(); err == nil {
		t.Error("F64 as float32")
	}
	if _, err := (Tensor{Name: "x", DType: I32}).Float64s(); err == nil {
		t.Error("I32 as float64")
	}
	if _, err := (Tensor{Name: "x", DType: U64}).Int64s(); err == nil {
		t.Error("U64 as int64")
	}
	if _, err := (Tensor{Name: "x", DType: I64}).Int32s(); err == nil {
		t.Error("I64 as int32")
	}
}

// Of is the inverse of Dense, bit for bit; the other types are widened or refused.
func TestHostTensorsComeAndGoUnchanged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stored := anyTensor().Draw(t, "tensor")
		host, err := stored.Dense()
		switch stored.DType {
		case F32, F64, I64, I32, U8:
			back := Of(stored.Name, host)
			if err != nil || back.DType != stored.DType || !slices.Equal(back.Shape, stored.Shape) || !bytes.Equal(back.Data, stored.Data) {
				t.Fatalf("%s %v became %s %v, %v", stored.DType, stored.Shape, back.DType, back.Shape, err)
			}
		case F16, BF16:
			if err != nil || Of(stored.Name, host).DType != F32 {
				t.Fatalf("%s %v: %v", stored.DType, stored.Shape, err)
			}
		default:
			if err == nil || !strings.Contains(err.Error(), string(stored.DType)) {
				t.Fatalf("%s became a host tensor: %v", stored.DType, err)
			}
		}
	})
}

func FuzzRead(f *testing.F) {
	f.Add(file(`{"__metadata__":{"k":"v"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}  `, 8))
	f.Add(file(`{"\u00e9\ud83d\ude00":{"dtype":"BOOL","shape":[],"data_offsets":[0,1]}}`, 1))
	f.Add(file(`{}`, 0))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Read(data)
		opened, openErr := Open(bytes.NewReader(data), int64(len(data)))
		if (err == nil) != (openErr == nil) {
			t.Fatalf("Read says %v, Open says %v", err, openErr)
		}
		if err != nil {
			var broken *Error
			if !errors.As(err, &broken) {
				t.Fatalf("an error without a rule: %v", err)
			}
			return
		}
		for i, want := range file.Tensors {
			if got, err := opened.Tensor(opened.Tensors[i].Name); err != nil || !bytes.Equal(got.Data, want.Data) {
				t.Fatalf("tensor %q: %v", want.Name, err)
			}
		}
		for _, stored := range file.Tensors {
			if host, err := stored.Dense(); err == nil && !slices.Equal(dense.Shape(host), stored.Shape) {
				t.Fatalf("tensor %q of shape %v became a host tensor of %v", stored.Name, stored.Shape, dense.Shape(host))
			}
		}
		again, err := Encode(file.Tensors, file.Metadata)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		back, err := Read(again)
		if err != nil || !cmp.Equal(contents(file.Tensors), contents(back.Tensors)) {
			t.Fatalf("written and read again: %v", err)
		}
	})
}
