package checkpoint

// Kind tells which of a parameter's three tensors an item is; it begins the tensor's name in the volume.
type Kind string

// The kinds, in the order in which volumes hold them: parameters first, so that an export reads a third of the bytes.
const (
	Param        Kind = "param"
	FirstMoment  Kind = "m1"
	SecondMoment Kind = "m2"
)

var kinds = []Kind{Param, FirstMoment, SecondMoment}

// Item is one tensor of a checkpoint.
type Item struct {
	Kind  Kind
	Name  string
	Shape []int
}

// tensorName is the item's name in its volume.
func (i Item) tensorName() string { return string(i.Kind) + "/" + i.Name }

func (i Item) bytes() int { return 4 * elements(i.Shape) }

// Volume is a share of the items, small enough for one PUT and large enough not to pay for many.
type Volume struct {
	Index int
	Items []Item
}

// A volume is closed once it has enough, and before it would have too much; a larger tensor has a volume of its own.
type volumeLimits struct{ enoughBytes, maxBytes int }

var limits = volumeLimits{enoughBytes: 16 << 20, maxBytes: 32 << 20} // smaller in this package's tests only

// PlanVolumes cuts the tensors of all parameters, which are given in name order, into volumes. It is a function of the
// list alone: every worker of every run that trains these parameters makes the same plan.
func PlanVolumes(names []string, shapes [][]int) []Volume {
	return limits.plan(names, shapes)
}

func (l volumeLimits) plan(names []string, shapes [][]int) []Volume {
	var volumes []Volume
	var open []Item
	size := 0
	for _, kind := range kinds {
		for i, name := range names {
			item := Item{Kind: kind, Name: name, Shape: shapes[i]}
			full := size >= l.enoughBytes || size+item.bytes() > l.maxBytes
			if len(open) > 0 && full {
				volumes = append(volumes, Volume{Index: len(volumes), Items: open})
				open, size = nil, 0
			}
			open = append(open, item)
			size += item.bytes()
		}
	}
	if len(open) > 0 {
		volumes = append(volumes, Volume{Index: len(volumes), Items: open})
	}
	return volumes
}
