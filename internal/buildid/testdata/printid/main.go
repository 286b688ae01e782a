// Command printid prints the build id of its own binary.
package main

import (
	"fmt"
	"os"

	"github.com/textground/textground"
	"github.com/textground/textground/internal/buildid"
)

func main() {
	b, err := buildid.Of(textground.Sources(), "")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(b.ID(), b.Sources)
}
