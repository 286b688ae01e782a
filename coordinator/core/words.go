package core

import (
	"fmt"
	"strings"
)

// lanesText names lanes for people: "lane 3", "lanes 0-3, 5".
func lanesText(lanes []int) string {
	var runs []string
	for i := 0; i < len(lanes); {
		j := i
		for j+1 < len(lanes) && lanes[j+1] == lanes[j]+1 {
			j++
		}
		if i == j {
			runs = append(runs, fmt.Sprint(lanes[i]))
		} else {
			runs = append(runs, fmt.Sprintf("%d-%d", lanes[i], lanes[j]))
		}
		i = j + 1
	}
	if len(lanes) == 1 {
		return "lane " + runs[0]
	}
	return "lanes " + strings.Join(runs, ", ")
}

func listText(names []string) string { return strings.Join(names, ", ") }

func areList(names []string) string {
	if len(names) == 1 {
		return names[0] + " is"
	}
	return listText(names) + " are"
}

// samplesText names the samples of lanes, where the configuration can.
func (m *Machine) samplesText(step int, lanes []int) string {
	if m.cfg.Samples == nil || len(lanes) == 0 {
		return ""
	}
	var ids []string
	for _, lane := range lanes {
		ids = append(ids, m.cfg.Samples(step, lane)...)
	}
	return "; samples " + listText(ids)
}
