package devices

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/textground/textground/kernels"
	"github.com/textground/textground/kernels/cpu"
	"github.com/textground/textground/kernels/cuda"
	"github.com/textground/textground/kernels/ref"
)

// rung is one device that can be asked for.
type rung struct {
	name   string
	cards  bool // there may be several: name:N is number N, name alone is number 0
	chosen bool // auto may open it
	open   func(card, threads int) (kernels.Device, error)
}

// rungs in order of preference.
var rungs = []rung{
	{"cuda", true, true, func(card, _ int) (kernels.Device, error) { return cuda.Open(card, cuda.BFloat16) }},
	{"cuda-float32", true, false, func(card, _ int) (kernels.Device, error) { return cuda.Open(card, cuda.Float32) }},
	{"cpu", false, true, func(_, threads int) (kernels.Device, error) { return cpu.Open(threads) }},
	{"ref", false, true, func(int, int) (kernels.Device, error) { return ref.New(), nil }},
}

// auto stands for the fastest device that opens.
const auto = "auto"

// Names returns the names that Open takes. Those of graphics cards may be followed by a colon and the card's number.
func Names() []string {
	names := []string{auto}
	for _, r := range rungs {
		names = append(names, r.name)
	}
	return names
}

// WithoutCard is the mend of an error about a graphics card.
const WithoutCard = "textground doctor tells what this machine has; --device cpu runs without a card"

// Open returns the device called name. threads bounds the processor cores that it uses; 0 means all of them.
func Open(name string, threads int) (kernels.Device, error) {
	if name == auto {
		return openFirst(threads)
	}
	base, number, several := strings.Cut(name, ":")
	for _, r := range rungs {
		if r.name != base || several && !r.cards {
			continue
		}
		card := 0
		if several {
			var err error
			if card, err = strconv.Atoi(number); err != nil || card < 0 {
				return nil, fmt.Errorf("device %q: the number of a card is wanted behind the colon, such as %s:0", name, base)
			}
		}
		d, err := r.open(card, threads)
		if err != nil && r.cards {
			err = fmt.Errorf("%w; %s", err, WithoutCard)
		}
		return d, err
	}
	return nil, fmt.Errorf("device %q does not exist: did you mean %q? (%s)", name, nearest(name), strings.Join(Names(), ", "))
}

// openFirst returns the most preferred device that opens, and the last error where none does.
func openFirst(threads int) (d kernels.Device, err error) {
	for _, r := range rungs {
		if !r.chosen {
			continue
		}
		if d, err = r.open(0, threads); err == nil {
			return d, nil
		}
	}
	return nil, err
}

// nearest returns the valid name at the smallest edit distance.
func nearest(name string) string {
	best, least := "", -1
	for _, valid := range Names() {
		if d := editDistance(name, valid); least < 0 || d < least {
			best, least = valid, d
		}
	}
	return best
}

// editDistance counts the insertions, deletions and replacements of bytes between a and b.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1) // distances from a[:i] to each b[:j]
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := corner
			if a[i] != b[j] {
				replace++
			}
			corner = row[j+1]
			row[j+1] = min(replace, row[j]+1, corner+1)
		}
	}
	return row[len(b)]
}
