package ingest

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
)

type parquetRow struct {
	Key     int64   `parquet:"key"`
	URL     string  `parquet:"URL"`
	TEXT    *string `parquet:"TEXT,optional"`
	Similar float64 `parquet:"similarity"`
}

func parquetFileOf(t testing.TB, rows int) []byte {
	t.Helper()
	var b bytes.Buffer
	w := parquet.NewGenericWriter[parquetRow](&b, parquet.MaxRowsPerRowGroup(300), parquet.Compression(&parquet.Snappy))
	for i := range rows {
		text := fmt.Sprintf("caption %d", i)
		row := parquetRow{Key: int64(i), URL: fmt.Sprintf("http://a.example/%d", i), TEXT: &text}
		if i%7 == 3 {
			row.TEXT = nil
		}
		if _, err := w.Write([]parquetRow{row}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func packed(t testing.TB, name string, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	switch filepath.Ext(name) {
	case ".gz":
		z := gzip.NewWriter(&b)
		z.Write(data)
		z.Close()
	case ".zst":
		z, _ := zstd.NewWriter(&b)
		z.Write(data)
		z.Close()
	default:
		return data
	}
	return b.Bytes()
}

func readList(t testing.TB, columns Columns, sources ...string) ([]Row, error) {
	t.Helper()
	list, err := OpenList(t.Context(), sources, columns)
	if err != nil {
		return nil, err
	}
	var rows []Row
	for row, err := range list.Rows(t.Context()) {
		if err != nil {
			return rows, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func TestEveryKindOfListGivesTheSameRows(t *testing.T) {
	dir := t.TempDir()
	const n = 700
	var csv, tsv, bare, jsonl strings.Builder
	csv.WriteString("\ufeffid,Image_URL,caption\r\n")
	tsv.WriteString("url\ttext\n")
	for i := range n {
		caption := fmt.Sprintf("caption %d", i)
		if i%7 == 3 {
			caption = ""
		}
		fmt.Fprintf(&csv, "%d,http://a.example/%d,\"%s\"\r\n", i, i, caption)
		fmt.Fprintf(&tsv, "http://a.example/%d\t%s\n", i, caption)
		fmt.Fprintf(&bare, "%s\thttp://a.example/%d\n", caption, i)
		fmt.Fprintf(&jsonl, "{\"caption\": %q, \"url\": \"http://a.example/%d\", \"width\": 3}\n\n", caption, i)
	}
	files := map[string]string{"a.csv": csv.String(), "b.tsv": tsv.String(), "c.jsonl": jsonl.String(), "d.parquet": string(parquetFileOf(t, n))}
	for base, text := range files {
		for _, ending := range []string{"", ".gz", ".zst"} {
			name := filepath.Join(dir, base+ending)
			if err := os.WriteFile(name, packed(t, name, []byte(text)), 0o600); err != nil {
				t.Fatal(err)
			}
			rows, err := readList(t, Columns{}, name)
			if err != nil || len(rows) != n {
				t.Errorf("%s: %d rows, %v", name, len(rows), err)
				continue
			}
			for i, row := range rows {
				want := Row{i, fmt.Sprintf("http://a.example/%d", i), fmt.Sprintf("caption %d", i)}
				if i%7 == 3 {
					want.Caption = ""
				}
				if row != want {
					t.Fatalf("%s: %+v", name, row)
				}
			}
		}
	}
	plain := filepath.Join(dir, "bare.tsv")
	os.WriteFile(plain, []byte(bare.String()), 0o600)
	if rows, err := readList(t, Columns{URL: "2", Caption: "1"}, plain); err != nil || len(rows) != n || rows[1].URL != "http://a.example/1" {
		t.Errorf("positions: %d rows, %v", len(rows), err)
	}
	os.Remove(plain)
	os.WriteFile(filepath.Join(dir, "readme.txt"), []byte("x"), 0o600)
	if rows, err := readList(t, Columns{}, dir); err != nil || len(rows) != 12*n || rows[12*n-1].Number != 12*n-1 {
		t.Errorf("directory: %d rows, %v", len(rows), err)
	}
}

func TestBadListsNameFileLineAndMend(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct {
		text, want string
	}{
		"columns.csv":   {"a,b\n1,2\n", "columns.csv:1: none of its columns"},
		"short.csv":     {"url,caption\nhttp://a/,x\nhttp://b/\n", "short.csv:3: it has 1 columns"},
		"quote.csv":     {"url,caption\nhttp://a/,\"x\n", "quote.csv:2: it cannot be read"},
		"endless.csv":   {"url,caption\nhttp://a/,\"" + strings.Repeat("x", 3<<20), "longer than"},
		"long.tsv":      {"url\tcaption\n" + strings.Repeat("x", 2<<20), "long.tsv:2: it cannot be read: longer than"},
		"number.jsonl":  {"{\"url\": \"http://a/\", \"caption\": \"x\"}\n{\"url\": 3, \"caption\": \"x\"}\n", "number.jsonl:2: its field \"url\" is no string"},
		"cut.jsonl":     {"{\"url\": ", "cut.jsonl:1: it is no JSON object"},
		"none.jsonl":    {"{\"url\": \"x\"}\n", "--caption-column"},
		"not.csv.gz":    {"url,caption\n", "not.csv.gz: it is not compressed as its name says"},
		"not.parquet":   {"PAR1 is not enough", "not.parquet: after row 0 it is no sound Parquet"},
		"list.xlsx":     {"x", "its ending is of no list"},
		"empty.parquet": {"", "empty.parquet"},
	} {
		file := filepath.Join(dir, name)
		os.WriteFile(file, []byte(c.text), 0o600)
		_, err := readList(t, Columns{}, file)
		var bad *ListError
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") || bad.Mend == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzListText(f *testing.F) {
	f.Add([]byte("url,caption\nhttp://a/,\"x\ny\"\n"), byte(0))
	f.Add([]byte("url\ttext\nhttp://a/\tx\n"), byte(1))
	f.Add([]byte("{\"url\":\"http://a/\",\"caption\":null}\n"), byte(2))
	f.Fuzz(func(t *testing.T, data []byte, which byte) {
		for _, columns := range []Columns{{}, {URL: "1", Caption: "2"}} {
			rows := csvRows("f", bytes.NewReader(data), columns)
			switch which % 3 {
			case 1:
				rows = tsvRows("f", bytes.NewReader(data), columns)
			case 2:
				rows = jsonRows("f", bytes.NewReader(data), columns)
			}
			n := 0
			for row, err := range rows {
				var bad *ListError
				if err != nil && !errors.As(err, &bad) {
					t.Fatalf("error of type %T", err)
				}
				if n++; n > len(data)+1 {
					t.Fatal("more rows than bytes")
				}
				cleanCaption(row.Caption, 100)
			}
		}
	})
}

func FuzzListParquet(f *testing.F) {
	whole := parquetFileOf(f, 5)
	f.Add(whole)
	f.Add(whole[:len(whole)-9])
	f.Fuzz(func(t *testing.T, data []byte) {
		n := 0
		for _, err := range readParquet("f", bytes.NewReader(data), int64(len(data)), Columns{}) {
			var bad *ListError
			if err != nil && !errors.As(err, &bad) {
				t.Fatalf("error of type %T", err)
			}
			if n++; n > 1<<20 {
				break
			}
		}
	})
}
