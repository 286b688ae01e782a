package checkpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gorgonia.org/tensor"
	"pgregory.net/rapid"

	"github.com/textground/textground/checkpoint/safetensors"
	"github.com/textground/textground/internal/dense"
	"github.com/textground/textground/store"
)

func sealedManifest(t testing.TB) *Manifest {
	m, err := save(t.Context(), store.NewMem(), 1, 1, "w1")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestAManifestSurvivesItsBytes(t *testing.T) {
	m := sealedManifest(t)
	got, err := DecodeManifest(m.encode())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(m, got); diff != "" {
		t.Error(diff)
	}
	if !bytes.Contains(m.encode(), []byte(`"total": "0x1.5555555555555p-02"`)) || !bytes.Contains(m.encode(), []byte(`"seed": "18446744073709551615"`)) {
		t.Errorf("scalars are not exact:\n%.600s", m.encode())
	}
}

func TestTheStateDigestIsBlindToWhoAndWhen(t *testing.T) {
	m := *sealedManifest(t)
	m.Epoch, m.Nonce, m.Sealed, m.Parent = 9, "someone-else", time.Unix(5, 0).UTC(), "p"
	m.Volumes = append([]VolumeRecord(nil), m.Volumes...)
	m.Volumes[0].Name = Writer{Epoch: 9, Nonce: "someone-else"}.volumeName(0)
	if m.stateDigest() != m.State {
		t.Error("another writer, another state digest")
	}
	for what, change := range map[string]func(*Manifest){
		"seed":    func(m *Manifest) { m.Identity.Seed-- },
		"step":    func(m *Manifest) { m.Step++ },
		"lineage": func(m *Manifest) { m.Lineage++ },
		"metrics": func(m *Manifest) {
			m.Metrics = map[string]Float{"total": Float(math.Nextafter(1.0/3, 1)), "grad_norm": 5}
		},
		"updates": func(m *Manifest) {
			m.Parameters = append([]Parameter(nil), m.Parameters...)
			m.Parameters[0].Updates++
		},
		"tensor": func(m *Manifest) {
			m.Volumes[0].Tensors = append([]TensorRecord(nil), m.Volumes[0].Tensors...)
			m.Volumes[0].Tensors[0].SHA256 = "0"
		},
	} {
		changed := m
		change(&changed)
		if changed.stateDigest() == m.State {
			t.Errorf("another %s, the same state digest", what)
		}
	}
}

func TestWhatTravelledAsNothingIsTheSameAsEmpty(t *testing.T) {
	m := *sealedManifest(t)
	m.Parameters = append([]Parameter(nil), m.Parameters...)
	m.Parameters[1].Shape = nil // the gate, rank 0
	m.Volumes = append([]VolumeRecord(nil), m.Volumes...)
	for i := range m.Volumes {
		m.Volumes[i].Tensors = append([]TensorRecord(nil), m.Volumes[i].Tensors...)
		for j, tensor := range m.Volumes[i].Tensors {
			if len(tensor.Shape) == 0 {
				m.Volumes[i].Tensors[j].Shape = nil
			}
		}
	}
	want := m.State
	if err := m.finish(); err != nil || m.State != want {
		t.Errorf("another state digest: %v", err)
	}
}

func TestFloatsKeepTheirBits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Float(rapid.Float64().Draw(t, "x"))
		data, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got Float
		if err := json.Unmarshal(data, &got); err != nil || math.Float64bits(float64(got)) != math.Float64bits(float64(want)) {
			t.Fatalf("%v became %v, %v", want, got, err)
		}
	})
	for _, special := range []float64{math.Inf(1), math.Inf(-1), math.NaN(), math.Copysign(0, -1)} {
		data, err := json.Marshal(Float(special))
		var got Float
		if err != nil || json.Unmarshal(data, &got) != nil || math.Signbit(float64(got)) != math.Signbit(special) {
			t.Errorf("%v became %s and %v", special, data, got)
		}
	}
	if err := json.Unmarshal([]byte(`1.5`), new(Float)); err == nil {
		t.Error("a bare number was accepted")
	}
}

func TestParamsSHA256IsOverTheValuesAlone(t *testing.T) {
	values := make([]float32, 40_000)
	for i := range values {
		values[i] = float32(i) / 3
	}
	whole := safetensors.Of("x", dense.Of(values, 40_000))
	if got := ParamsSHA256([]*tensor.Dense{dense.Of(values[:1]), dense.Of(values[1:33_000], 32_999), dense.Of(values[33_000:], 7, 1000)}); got != digestOf(whole.Data) {
		t.Errorf("got %s", got)
	}
}

func FuzzDecodeManifest(f *testing.F) {
	m, err := save(f.Context(), store.NewMem(), 1, 1, "w1")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(m.encode())
	f.Add([]byte(`{"schema": "textground-checkpoint-1"}`))
	f.Add([]byte(`{"schema": "textground-checkpoint-0"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := DecodeManifest(data)
		if err != nil {
			if !errors.Is(err, ErrDamaged) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("got %q", err)
			}
			return
		}
		if !bytes.Equal(m.encode(), data) {
			t.Fatal("accepted, but not as written")
		}
	})
}
