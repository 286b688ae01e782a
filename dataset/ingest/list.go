package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/textground/textground/store"
)

// Row is one line of a list.
type Row struct {
	Number  int    `json:"row"` // its place in the list, through all files, from 0
	URL     string `json:"url"`
	Caption string `json:"caption"`
}

// ListError says what is wrong with a list, where, and what to do about it.
type ListError struct {
	File string
	Line int // from 1; 0 where it is about the whole file
	Rule string
	Mend string
	Err  error // the cause, or nil
}

func (e *ListError) Error() string {
	place := e.File
	if e.Line > 0 {
		place = fmt.Sprintf("%s:%d", e.File, e.Line)
	}
	text := place + ": " + e.Rule
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text + "; " + e.Mend
}

func (e *ListError) Unwrap() error { return e.Err }

// Columns say where URL and caption stand: a name, a position from 1 for a file without a line of names, or nothing for the
// usual names.
type Columns struct{ URL, Caption string }

// The usual names, in the order in which they are looked for; case does not matter.
var (
	urlNames     = []string{"url", "image_url", "img_url", "photo_image_url"}
	captionNames = []string{"caption", "text", "alt_text", "alt", "title"}
)

// find returns the places of the columns among names, or what is wrong.
func (c Columns) find(names []string) (url, caption int, rule, mend string) {
	if url = findColumn(names, c.URL, urlNames); url < 0 {
		return 0, 0, missingColumn("URL", c.URL, names), "name it with --url-column"
	}
	if caption = findColumn(names, c.Caption, captionNames); caption < 0 {
		return 0, 0, missingColumn("caption", c.Caption, names), "name it with --caption-column"
	}
	return url, caption, "", ""
}

func findColumn(names []string, wanted string, usual []string) int {
	if wanted != "" {
		return slices.Index(names, wanted)
	}
	for _, name := range usual {
		if i := slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(n, name) }); i >= 0 {
			return i
		}
	}
	return -1
}

func missingColumn(what, wanted string, names []string) string {
	if wanted == "" {
		return fmt.Sprintf("none of its columns %.200q has a usual name for the %s", names, what)
	}
	return fmt.Sprintf("no column %q for the %s among %.200q", wanted, what, names)
}

// positions returns the columns as places from 0, where both are given as numbers: then no line holds names.
func (c Columns) positions() (url, caption int, given bool) {
	url, errURL := strconv.Atoi(c.URL)
	caption, errCaption := strconv.Atoi(c.Caption)
	return url - 1, caption - 1, errURL == nil && errCaption == nil && url > 0 && caption > 0
}

// List is a list of URLs with captions: files in their order, read one after the other.
type List struct {
	files   []listFile
	columns Columns
}

// listFile is one file of a list, wherever it lies.
type listFile struct {
	Name string `json:"name"`
	Size int64  `json:"size"`

	store store.Store
	key   string
}

// OpenList finds the files of a list. A source is a file, a directory of files, or either in a bucket (s3://).
func OpenList(ctx context.Context, sources []string, columns Columns) (*List, error) {
	l := &List{columns: columns}
	for _, source := range sources {
		files, err := findFiles(ctx, source)
		if err != nil {
			return nil, err
		}
		l.files = append(l.files, files...)
	}
	return l, nil
}

func findFiles(ctx context.Context, source string) ([]listFile, error) {
	if rest, remote := strings.CutPrefix(source, "s3://"); remote {
		bucket, key, _ := strings.Cut(rest, "/")
		st, err := store.Open(ctx, "s3://"+bucket)
		if err != nil {
			return nil, fmt.Errorf("opening the list %s: %w", source, err)
		}
		return findInStore(ctx, st, source, strings.Trim(key, "/"))
	}
	name := strings.TrimPrefix(source, "file://")
	info, err := os.Stat(name)
	if err != nil {
		return nil, &ListError{File: source, Rule: "it cannot be read", Mend: "name a file, a directory or s3://BUCKET/KEY", Err: err}
	}
	dir, key := name, ""
	if !info.IsDir() {
		dir, key = filepath.Dir(name), filepath.Base(name)
	}
	st, err := store.OpenDir(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the list %s: %w", source, err)
	}
	return findInStore(ctx, st, source, key)
}

// findInStore takes the object of this key, or all files of a known kind below it.
func findInStore(ctx context.Context, st store.Store, source, key string) ([]listFile, error) {
	if key != "" {
		info, err := st.Stat(ctx, key)
		if err == nil {
			if _, err := kindOf(source); err != nil {
				return nil, err
			}
			return []listFile{{Name: source, Size: info.Size, store: st, key: key}}, nil
		}
		if !errors.Is(err, store.ErrNotExist) {
			return nil, fmt.Errorf("looking for the list %s: %w", source, err)
		}
		key += "/"
	}
	objects, err := st.List(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("looking for lists in %s: %w", source, err)
	}
	var files []listFile
	for _, o := range objects {
		if _, err := kindOf(o.Key); err == nil {
			name := strings.TrimSuffix(source, "/") + "/" + strings.TrimPrefix(o.Key, key)
			files = append(files, listFile{Name: name, Size: o.Size, store: st, key: o.Key})
		}
	}
	if len(files) == 0 {
		return nil, &ListError{File: source, Rule: "no list in it", Mend: knownKinds}
	}
	return files, nil
}

const knownKinds = "give .csv, .tsv, .jsonl or .parquet, also with .gz or .zst behind it"

// kind is how a file is read.
type kind struct{ format, compression string }

func kindOf(name string) (kind, error) {
	var k kind
	base := strings.ToLower(path.Base(name))
	switch ext := path.Ext(base); ext {
	case ".gz", ".zst":
		k.compression, base = ext, strings.TrimSuffix(base, ext)
	}
	switch ext := path.Ext(base); ext {
	case ".csv", ".tsv", ".parquet":
		k.format = ext
	case ".jsonl", ".ndjson", ".json":
		k.format = ".jsonl"
	default:
		return k, &ListError{File: name, Rule: "its ending is of no list", Mend: knownKinds}
	}
	return k, nil
}

// Rows reads the list from its beginning. An error is the last that comes.
func (l *List) Rows(ctx context.Context) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		number := 0
		for _, file := range l.files {
			for row, err := range file.rows(ctx, l.columns) {
				row.Number = number
				if !yield(row, err) || err != nil {
					return
				}
				number++
			}
		}
	}
}

func (f listFile) rows(ctx context.Context, columns Columns) iter.Seq2[Row, error] {
	k, err := kindOf(f.Name)
	if err != nil {
		return failing(err)
	}
	if k.format == ".parquet" {
		return f.parquetRows(ctx, k, columns)
	}
	return func(yield func(Row, error) bool) {
		r, err := f.open(ctx, k)
		if err != nil {
			yield(Row{}, err)
			return
		}
		defer r.Close()
		read := map[string]func(string, io.Reader, Columns) iter.Seq2[Row, error]{".csv": csvRows, ".tsv": tsvRows, ".jsonl": jsonRows}[k.format]
		for row, err := range read(f.Name, r, columns) {
			if !yield(row, err) {
				return
			}
		}
	}
}

func failing(err error) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) { yield(Row{}, err) }
}
