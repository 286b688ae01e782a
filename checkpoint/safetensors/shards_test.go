package safetensors

import (
	"slices"
	"strings"
	"testing"
)

func TestShardsAreNamedOnceAndInOrder(t *testing.T) {
	got, err := ParseShards([]byte(`{"metadata": {"total_size": 8}, "weight_map": {"b": "2.safetensors", "a": "1.safetensors", "c": "2.safetensors"}}`))
	if err != nil || !slices.Equal(got, []string{"1.safetensors", "2.safetensors"}) {
		t.Errorf("%v, %v", got, err)
	}
}

// Row 10 of reliability.md section 5.5.
func TestBadInputRow10AnIndexLeadsNowhereElse(t *testing.T) {
	for _, file := range []string{"../../x", "/etc/passwd", `..\\x`, "a/b", "C:x", "..", "", `x\u0000`} {
		if got, err := ParseShards([]byte(`{"weight_map": {"a": "` + file + `"}}`)); err == nil || !strings.Contains(err.Error(), "no plain file name") {
			t.Errorf("%q: %v, %v", file, got, err)
		}
	}
	for _, text := range []string{"", "[]", "{}", `{"weight_map": {}}`, `{"weight_map": {"a": 1}}`} {
		if got, err := ParseShards([]byte(text)); err == nil {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func FuzzParseShards(f *testing.F) {
	f.Add([]byte(`{"metadata": {}, "weight_map": {"a": "1.safetensors"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		shards, err := ParseShards(data)
		for _, s := range shards {
			if err != nil || s == "" || strings.ContainsAny(s, "/\\") {
				t.Errorf("%q, %v", s, err)
			}
		}
	})
}
