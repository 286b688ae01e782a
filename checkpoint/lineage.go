package checkpoint

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Lineage names one history of a run. The number rises when a run is rolled back under changed settings, so that the same
// step of two histories never collides.
type Lineage struct {
	Run    string
	Number int
}

var (
	wordPattern   = regexp.MustCompile(`^[a-z0-9-]{1,64}$`)
	volumePattern = regexp.MustCompile(`^([0-9]{10})-[a-z0-9-]{1,64}/volume-[0-9]{5}\.safetensors$`)
)

const manifestName = "MANIFEST.json"

func (l Lineage) String() string { return fmt.Sprintf("run %s, lineage %d", l.Run, l.Number) }

func (l Lineage) check() error {
	if !wordPattern.MatchString(l.Run) {
		return fmt.Errorf("the run id %q is not 1 to 64 characters of a-z, 0-9 and -", l.Run)
	}
	if l.Number < 0 {
		return fmt.Errorf("the lineage number %d is negative", l.Number)
	}
	return nil
}

func (l Lineage) prefix() string { return fmt.Sprintf("runs/%s/lineages/%d/", l.Run, l.Number) }

func (l Lineage) stepsPrefix() string { return l.prefix() + "ckpt/" }

func (l Lineage) stepPrefix(step int) string { return fmt.Sprintf("%s%010d/", l.stepsPrefix(), step) }

func (l Lineage) manifestKey(step int) string { return l.stepPrefix(step) + manifestName }

func (l Lineage) epochsPrefix() string { return l.prefix() + "epoch/" }

func (l Lineage) epochKey(epoch int) string { return fmt.Sprintf("%s%010d", l.epochsPrefix(), epoch) }

// splitStepKey takes a key below stepsPrefix apart: the step, and the rest of the key.
func (l Lineage) splitStepKey(key string) (step int, rest string, ok bool) {
	below, found := strings.CutPrefix(key, l.stepsPrefix())
	digits, rest, hasRest := strings.Cut(below, "/")
	step, err := strconv.Atoi(digits)
	return step, rest, found && hasRest && err == nil && len(digits) == 10 && step >= 0
}

// Writer names who writes volumes or seals: the coordinator's epoch it works under, and a nonce that no other writer of
// the run has, 1 to 64 characters of a-z, 0-9 and -.
type Writer struct {
	Epoch int
	Nonce string
}

func (w Writer) check() error {
	if w.Epoch < 0 || !wordPattern.MatchString(w.Nonce) {
		return fmt.Errorf("the writer %d-%s has no epoch or a nonce that is not 1 to 64 characters of a-z, 0-9 and -", w.Epoch, w.Nonce)
	}
	return nil
}

// volumeName is a volume's key below its step.
func (w Writer) volumeName(index int) string {
	return fmt.Sprintf("%010d-%s/volume-%05d.safetensors", w.Epoch, w.Nonce, index)
}

// volumeEpoch reads the epoch back out of a volume's key below its step.
func volumeEpoch(name string) (int, bool) {
	match := volumePattern.FindStringSubmatch(name)
	if match == nil {
		return 0, false
	}
	epoch, err := strconv.Atoi(match[1])
	return epoch, err == nil
}

var lineagePattern = regexp.MustCompile(`^runs/([a-z0-9-]{1,64})/lineages/(0|[1-9][0-9]{0,9})/`)

// lineageOf finds the lineage that a key belongs to.
func lineageOf(key string) (Lineage, bool) {
	match := lineagePattern.FindStringSubmatch(key)
	if match == nil {
		return Lineage{}, false
	}
	number, err := strconv.Atoi(match[2])
	return Lineage{Run: match[1], Number: number}, err == nil
}

func sortLineages(lineages []Lineage) {
	slices.SortFunc(lineages, func(a, b Lineage) int {
		return cmp.Or(cmp.Compare(a.Run, b.Run), cmp.Compare(a.Number, b.Number))
	})
}
