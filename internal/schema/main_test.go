package main

import (
	"bytes"
	"os"
	"testing"
)

func TestTheCommittedSchemaIsThatOfTheTypes(t *testing.T) {
	want, err := schema()
	if err != nil {
		t.Fatal(err)
	}
	have, err := os.ReadFile("../../examples/run.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, want) {
		t.Error("examples/run.schema.json is out of date: run make proto")
	}
}
