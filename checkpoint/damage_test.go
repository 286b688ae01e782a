package checkpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/textground/textground/store"
)

// damages are things that happen to the checkpoint of step 2, and what must be said of it.
var damages = map[string]struct {
	harm   func(d *harmer)
	reason string
}{
	"truncated volume":        {func(d *harmer) { d.edit(d.volume(1), func(b []byte) []byte { return b[:len(b)-5] }) }, "has"},
	"volume of 0 bytes":       {func(d *harmer) { d.edit(d.volume(0), func([]byte) []byte { return nil }) }, "0 bytes"},
	"longer volume":           {func(d *harmer) { d.edit(d.volume(1), func(b []byte) []byte { return append(b, 0) }) }, "bytes or more"},
	"flipped bit in a value":  {func(d *harmer) { d.edit(d.volume(2), flip(-1)) }, "changed"},
	"flipped bit in a header": {func(d *harmer) { d.edit(d.volume(2), flip(20)) }, "header changed"},
	"missing volume":          {func(d *harmer) { d.remove(d.volume(0)) }, "is missing"},
	"volumes swapped":         {func(d *harmer) { d.swap(d.volume(0), d.volume(1)) }, "volume"},
	"empty manifest":          {func(d *harmer) { d.edit(d.manifest(), func([]byte) []byte { return nil }) }, "not JSON"},
	"garbage manifest":        {func(d *harmer) { d.edit(d.manifest(), func([]byte) []byte { return []byte("\x00garbage") }) }, "not JSON"},
	"truncated manifest":      {func(d *harmer) { d.edit(d.manifest(), func(b []byte) []byte { return b[:len(b)/2] }) }, "not JSON"},
	"JSON of another kind":    {func(d *harmer) { d.edit(d.manifest(), func([]byte) []byte { return []byte("[1,2]") }) }, "not JSON"},
	"older format": {func(d *harmer) {
		d.replace(`"schema": "textground-checkpoint-1"`, `"schema": "textground-checkpoint-0"`)
	}, "older format"},
	"unknown format": {func(d *harmer) {
		d.replace(`"schema": "textground-checkpoint-1"`, `"schema": "textground-checkpoint-9"`)
	}, "unknown format"},
	"no format":                 {func(d *harmer) { d.edit(d.manifest(), func([]byte) []byte { return []byte("{}") }) }, "unknown format"},
	"an extra field":            {func(d *harmer) { d.replace(`"run": `, "\"extra\": 1,\n \"run\": ") }, "unknown field"},
	"a field twice":             {func(d *harmer) { d.replace(`"step": 2,`, "\"step\": 2,\n \"step\": 2,") }, "canonical"},
	"bytes after the end":       {func(d *harmer) { d.edit(d.manifest(), func(b []byte) []byte { return append(b, "{}"...) }) }, "not JSON"},
	"wrong digest":              {func(d *harmer) { d.replace(`"updates": 2`, `"updates": 3`) }, "digest"},
	"wrong state digest":        {func(d *harmer) { d.forge(func(m *Manifest) { m.Parameters[0].Updates++; m.Digest = m.ownDigest() }) }, "state digest"},
	"wrong params_sha256":       {func(d *harmer) { d.forgeAll(func(m *Manifest) { m.ParamsSHA256 = digestOf(nil) }) }, "parameters' SHA-256"},
	"volume named outside":      {func(d *harmer) { d.forgeAll(func(m *Manifest) { m.Volumes[0].Name = "../../x" }) }, "not that of a volume"},
	"a volume too few":          {func(d *harmer) { d.forgeAll(func(m *Manifest) { m.Volumes = m.Volumes[1:] }) }, "volumes, the plan"},
	"a tensor of another shape": {func(d *harmer) { d.forgeAll(func(m *Manifest) { m.Volumes[0].Tensors[0].Shape = []int{10, 4} }) }, "not as planned"},
	"an offset outside":         {func(d *harmer) { d.forgeAll(func(m *Manifest) { m.Volumes[0].Tensors[0].Offset = 1 << 62 }) }, "not as planned"},
	"a gigantic shape":          {func(d *harmer) { d.forgeAll(func(m *Manifest) { m.Parameters[0].Shape = []int{1 << 40, 1 << 40} }) }, "shape"},
	"manifest of another run":   {func(d *harmer) { d.forgeAll(func(m *Manifest) { m.Run = "another" }) }, "run another"},
	"manifest of another step":  {func(d *harmer) { d.forgeAll(func(m *Manifest) { m.Step = 3 }) }, "step 3"},
	"epoch lower than before":   {func(d *harmer) { d.forgeAll(func(m *Manifest) { m.Epoch = 0 }) }, "epoch 0"},
	"100 MB of JSON": {func(d *harmer) {
		d.edit(d.manifest(), func([]byte) []byte { return bytes.Repeat([]byte(`[`), 100<<20) })
	}, "more than"},
	"JSON 500 000 deep": {func(d *harmer) {
		d.edit(d.manifest(), func([]byte) []byte { return bytes.Repeat([]byte(`[`), 500_000) })
	}, "not JSON"},
}

// The damages that depend on how a store reads; the others are tried in memory only.
var readDependent = []string{"truncated volume", "longer volume", "flipped bit in a value", "missing volume", "garbage manifest", "empty manifest"}

func TestEveryDamageIsSkippedWithItsReasonAndTheStepBeforeIsTaken(t *testing.T) {
	onEveryStore(t, func(t *testing.T, fresh func() store.Store) {
		for name, d := range damages {
			if fresh().String() != "mem://" && !slices.Contains(readDependent, name) {
				continue
			}
			t.Run(name, func(t *testing.T) {
				st := fresh()
				mustSave(t, st, 1, 1)
				m := mustSave(t, st, 2, 1)
				d.harm(&harmer{t, st, m})
				found := wantLatest(t, st, 1, 2)
				reason := found.Skipped[0].Reason
				if !errors.Is(reason, ErrDamaged) || !strings.Contains(reason.Error(), d.reason) {
					t.Errorf("the reason is %v, want %q", reason, d.reason)
				}
				if text := found.Skipped[0].String(); strings.Contains(text, "\n") || len(text) > 500 {
					t.Errorf("not a short line: %q", text)
				}
				resumeOver(t, st)
			})
		}
	})
}

// resumeOver trains on from step 1 to the step that is damaged, which must become good again.
func resumeOver(t *testing.T, st store.Store) {
	t.Helper()
	epoch := mustClaim(t, st)
	if epoch == 1 {
		epoch = mustClaimAs(t, st, "second") // the damaged one was sealed in epoch 1
	}
	if _, err := save(t.Context(), st, 2, epoch, "again"); err != nil {
		t.Fatalf("sealing over the damaged checkpoint: %v", err)
	}
	wantLatest(t, st, 2)
}

func TestWhenNothingIsValidTheNewestReasonIsSaid(t *testing.T) {
	st := store.NewMem()
	for step := 1; step <= 2; step++ {
		m := mustSave(t, st, step, 1)
		if err := st.Delete(t.Context(), m.volumeKey(m.Volumes[0])); err != nil {
			t.Fatal(err)
		}
	}
	found, err := Latest(t.Context(), st, history)
	if !errors.Is(err, ErrNoneValid) || len(found.Skipped) != 2 || found.Skipped[0].Step != 2 || strings.Contains(err.Error(), "\n") {
		t.Errorf("%+v, %v", found.Skipped, err)
	}
}

// harmer does harm to a sealed checkpoint.
type harmer struct {
	t  *testing.T
	st store.Store
	m  *Manifest
}

func (h *harmer) manifest() string    { return h.m.lineage().manifestKey(h.m.Step) }
func (h *harmer) volume(i int) string { return h.m.volumeKey(h.m.Volumes[i]) }

func (h *harmer) read(key string) []byte {
	data, err := store.ReadAll(h.t.Context(), h.st, key)
	if err != nil {
		h.t.Fatal(err)
	}
	return data
}

func (h *harmer) write(key string, data []byte) {
	if err := h.st.Put(h.t.Context(), key, data); err != nil {
		h.t.Fatal(err)
	}
}

func (h *harmer) edit(key string, change func([]byte) []byte) { h.write(key, change(h.read(key))) }

func (h *harmer) remove(key string) {
	if err := h.st.Delete(h.t.Context(), key); err != nil {
		h.t.Fatal(err)
	}
}

func (h *harmer) swap(a, b string) {
	dataA, dataB := h.read(a), h.read(b)
	h.write(a, dataB)
	h.write(b, dataA)
}

func (h *harmer) replace(old, fresh string) {
	h.edit(h.manifest(), func(data []byte) []byte {
		if !bytes.Contains(data, []byte(old)) {
			h.t.Fatalf("the manifest has no %s", old)
		}
		return bytes.Replace(data, []byte(old), []byte(fresh), 1)
	})
}

// forge changes the manifest and writes it in canonical form.
func (h *harmer) forge(change func(*Manifest)) {
	key := h.manifest() // of the step it was sealed for
	var m Manifest
	if err := json.Unmarshal(h.read(key), &m); err != nil {
		h.t.Fatal(err)
	}
	change(&m)
	h.write(key, m.encode())
}

// forgeAll also makes both digests right.
func (h *harmer) forgeAll(change func(*Manifest)) {
	h.forge(func(m *Manifest) {
		change(m)
		m.State = m.stateDigest()
		m.Digest = m.ownDigest()
	})
}

// flip flips a bit of the byte at i, counted from the end if negative.
func flip(i int) func([]byte) []byte {
	return func(data []byte) []byte {
		at := i
		if at < 0 {
			at += len(data)
		}
		data[at] ^= 4
		return data
	}
}
