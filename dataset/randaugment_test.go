package dataset

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"runtime"
	"slices"
	"testing"
)

// Each of two ops is skipped half of the time; a few more change nothing at the level they draw.
func TestRandAugmentLeavesAboutAQuarterAlone(t *testing.T) {
	original := testPicture(16, 16, 3)
	same := 0
	for step := range uint32(1000) {
		out := randAugment(testPicture(16, 16, 3), testStream(step))
		if slices.Equal(out.Pix, original.Pix) {
			same++
		}
	}
	if same < 220 || same > 330 {
		t.Errorf("%d of 1000 pictures unchanged", same)
	}
}

func TestLevelsCentreOnNineTenths(t *testing.T) {
	r := testStream(0)
	sum := 0.0
	for range 2000 {
		level := randLevel(r)
		if level < 0.6 || level > 1 {
			t.Fatalf("level %v", level)
		}
		sum += level
	}
	if mean := sum / 2000; mean < 0.89 || mean > 0.905 {
		t.Errorf("mean level %v", mean)
	}
}

// A change of these bits changes every run's digest: it needs a reason and a note. Other processors may round differently.
func TestAugmentedBitsAreThoseOnRecord(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("recorded on amd64")
	}
	unerased := PaperAugment()
	unerased.Erase = 0
	for name, c := range map[string]struct {
		cfg                 AugmentConfig
		width, height, size int
		steps               uint32
		want                string
	}{
		"paper":                 {PaperAugment(), 80, 64, 64, 20, "bb220e0c10cc0258"},
		"paper, nothing erased": {unerased, 80, 64, 64, 100, "88670126b68f6240"},
		"paper's size":          {unerased, 401, 307, 224, 30, "53c91be4825a2cb1"},
		"demo":                  {demoAugment(), 80, 64, 64, 20, "6bab2e558b9290cf"},
	} {
		sum := sha256.New()
		for step := range c.steps {
			binary.Write(sum, binary.LittleEndian, augmented(testPicture(c.width, c.height, 5), c.size, c.cfg, step))
		}
		if got := hex.EncodeToString(sum.Sum(nil)[:8]); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
