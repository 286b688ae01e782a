// Command schema writes the JSON Schema of the run file, so that editors complete and check it. `make proto` runs it.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/invopop/jsonschema"

	"github.com/textground/textground/proto"
)

func main() {
	data, err := schema()
	if err == nil {
		err = os.WriteFile(os.Args[1], data, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "schema:", err)
		os.Exit(1)
	}
}

// schema describes proto.RunFile. No key is required: each has a default.
func schema() ([]byte, error) {
	r := jsonschema.Reflector{FieldNameTag: "yaml", RequiredFromJSONSchemaTags: true, DoNotReference: true}
	s := r.Reflect(&proto.RunFile{})
	s.Title = "textground run file"
	data, err := json.MarshalIndent(s, "", "  ")
	return append(data, '\n'), err
}
