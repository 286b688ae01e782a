package checkpoint

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWhatAWorkerReportsArrives(t *testing.T) {
	m := sealedManifest(t)
	for _, record := range m.Volumes {
		want := Written{Record: record, ParamsSHA256: m.ParamsSHA256}
		if got, err := DecodeWritten(want.Encode()); err != nil || !cmp.Equal(want, got) {
			t.Errorf("%v: %s", err, cmp.Diff(want, got))
		}
	}
	if _, err := DecodeWritten(`{"record"`); err == nil {
		t.Error("half a report was accepted")
	}
}

// A report is a worker's word: whatever it says, sealing refuses it or makes a manifest that reads back.
func FuzzWrittenIntoManifest(f *testing.F) {
	s := stateAt(1)
	honest := sealedManifest(f)
	for _, record := range honest.Volumes {
		f.Add(Written{Record: record, ParamsSHA256: honest.ParamsSHA256}.Encode())
	}
	f.Fuzz(func(t *testing.T, text string) {
		written, err := DecodeWritten(text)
		if err != nil {
			return
		}
		m := NewManifest(history, Writer{Epoch: 1, Nonce: "w1"}, s, identity)
		m.ParamsSHA256 = written.ParamsSHA256
		for _, record := range honest.Volumes {
			if record.Index == written.Record.Index {
				record = written.Record
			}
			m.Volumes = append(m.Volumes, record)
		}
		if m.finish() != nil {
			return
		}
		if _, err := DecodeManifest(m.encode()); err != nil {
			t.Fatalf("sealed, but not readable: %v", err)
		}
	})
}
