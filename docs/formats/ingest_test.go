package formats

import (
	"bytes"
	"compress/gzip"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/textground/textground/dataset/ingest"
	"github.com/textground/textground/store"
)

// ingested is the place that the page's example was taken from, without the shard itself and the part that it leaves out.
func ingested(t *testing.T) store.Store {
	t.Helper()
	home := store.NewMem()
	for key, block := range map[string]string{
		"ingest/0/plan.json": "json plan", "ingest/0/ledger/00000.jsonl": "jsonl ledger 0", "ingest/0/ledger/00001.jsonl": "jsonl ledger 1", "ingest/bus.json": "json bus",
	} {
		if err := home.Put(t.Context(), key, []byte(example(t, "ingest.md", block))); err != nil {
			t.Fatal(err)
		}
	}
	for key, rows := range map[string]string{"00000": example(t, "ingest.md", "jsonl part 0"), "00001": `{"row":2,"url":"http://127.0.0.1:8091/cow.jpg","caption":"a cow"}`} {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		z.Write([]byte(rows))
		z.Close()
		if err := home.Put(t.Context(), "ingest/0/parts/"+key+".jsonl.gz", b.Bytes()); err != nil {
			t.Fatal(err)
		}
	}
	return home
}

func TestTheIngestOfThePageCanBeIndexedAndGoneOnWith(t *testing.T) {
	home := ingested(t)
	ix, summary, err := ingest.WriteIndex(t.Context(), home)
	if err != nil || !summary.Complete || summary.Rows != 3 || summary.Answered != 1 || summary.Retryable != 1 || ix.Shards[0].Name != "00000.tar" {
		t.Fatalf("%+v, %v", summary, err)
	}
	next, err := ingest.Retry(t.Context(), home)
	if err != nil || next.Generation != 1 || next.Rows != 1 || next.Parts != 1 {
		t.Fatalf("%+v, %v", next, err)
	}
	if run, err := ingest.BusRun(t.Context(), home, next); err != nil || run != "ingest-ryjlfnpzboijgchcyjq27ysvfp-1" {
		t.Errorf("%s, %v", run, err)
	}
}

func TestTheIngestOfThePageIsTheProgramsOwn(t *testing.T) {
	same[ingest.Plan](t, example(t, "ingest.md", "json plan"))
	for _, line := range lines(example(t, "ingest.md", "jsonl part 0")) {
		same[ingest.Row](t, line)
	}
	for _, block := range []string{"jsonl ledger 0", "jsonl ledger 1"} {
		ledger := lines(example(t, "ingest.md", block))
		same[ingest.Ledger](t, ledger[0])
		for _, line := range ledger[1:] {
			same[ingest.Entry](t, line)
		}
	}
}

// The pages name every field and every class.
func TestThePageNamesAllThatAnIngestWrites(t *testing.T) {
	page, err := os.ReadFile("ingest.md")
	if err != nil {
		t.Fatal(err)
	}
	table, err := os.ReadFile("../ingest.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{ingest.Plan{}, ingest.Settings{}, ingest.Ledger{}, ingest.Entry{}, ingest.Row{}} {
		for _, field := range reflect.VisibleFields(reflect.TypeOf(v)) {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if name != "-" && !bytes.Contains(page, []byte("`"+name+"`")) {
				t.Errorf("the page does not name %s of %T", name, v)
			}
		}
	}
	for _, class := range ingest.Classes {
		if !slices.Contains(strings.FieldsFunc(string(table), func(r rune) bool { return r == '`' }), string(class)) {
			t.Errorf("docs/ingest.md does not name the class %s", class)
		}
	}
}
