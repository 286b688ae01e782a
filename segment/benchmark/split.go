package benchmark

import (
	"fmt"
	"os"
	"strings"

	"github.com/textground/textground/segment"
)

func readSplit(path string) ([]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	names, err := parseSplit(string(text))
	if err != nil {
		return nil, &segment.SetError{Place: path, Rule: err.Error(), Mend: "a split file has the name of an image a line, without folder and ending"}
	}
	return names, nil
}

// parseSplit reads the names of a split file; empty lines are skipped.
func parseSplit(text string) ([]string, error) {
	var names []string
	seen := map[string]int{}
	for i, line := range strings.Split(text, "\n") {
		name := strings.TrimSpace(line)
		if name == "" {
			continue
		}
		if strings.ContainsAny(name, " \t/\\\x00") || name == ".." {
			return nil, fmt.Errorf("line %d, %.80q, is no name of an image", i+1, name)
		}
		if first, twice := seen[name]; twice {
			return nil, fmt.Errorf("line %d names %.80q, as line %d does", i+1, name, first)
		}
		seen[name] = i + 1
		names = append(names, name)
	}
	return names, nil
}
