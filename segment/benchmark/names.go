package benchmark

import (
	"embed"
	"strings"
)

// nameFiles hold the class names of MMSegmentation, a line a class, in the order of the labels and without the background.
// PASCAL Context's labels are in alphabetic order, as the converter numbers them. ADE20K's bed has a space behind it there,
// which shows in one of the nine sentences, "a photo of bed s.", and so it has one here.
//
//go:embed names
var nameFiles embed.FS

// readNames returns the first n names of a file; 0 asks for all.
func readNames(file string, n int) []string {
	text, err := nameFiles.ReadFile("names/" + file + ".txt")
	if err != nil {
		panic(err)
	}
	names := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if n > 0 {
		names = names[:n]
	}
	return names
}
