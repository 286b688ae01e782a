package ingest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/parquet-go/parquet-go"
)

const parquetMend = "write it again, with URL and caption as columns of strings"

// parquetRows reads the two columns of a Parquet file and nothing else of it.
func (f listFile) parquetRows(ctx context.Context, k kind, columns Columns) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		if k.compression == "" {
			yieldAll(yield, readParquet(f.Name, ranged{ctx, f}, f.Size, columns))
			return
		}
		file, size, release, err := f.spool(ctx, k)
		if err != nil {
			yield(Row{}, err)
			return
		}
		defer release()
		yieldAll(yield, readParquet(f.Name, file, size, columns))
	}
}

func yieldAll(yield func(Row, error) bool, rows iter.Seq2[Row, error]) {
	for row, err := range rows {
		if !yield(row, err) {
			return
		}
	}
}

// readParquet reads the rows of a Parquet file of size bytes. The reader below may panic on a hostile file, which costs the
// list and not the process.
func readParquet(name string, r io.ReaderAt, size int64, columns Columns) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		p := &parquetFile{name: name}
		if err := guarded(func() error { return p.open(r, size, columns) }); err != nil {
			yield(Row{}, p.fail(err))
			return
		}
		for group := range p.groups {
			var rows []Row
			for last := false; !last; {
				err := guarded(func() (err error) {
					rows, last, err = p.read(group)
					return err
				})
				if err != nil {
					yield(Row{}, p.fail(err))
					return
				}
				for _, row := range rows {
					if !yield(row, nil) {
						return
					}
				}
			}
		}
	}
}

func guarded(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("it breaks the format: %v", p)
		}
	}()
	return f()
}

// parquetFile reads two columns side by side.
type parquetFile struct {
	name         string
	groups       []parquet.RowGroup
	url, caption int // places among the columns

	group         int // that the readers stand in, or -1
	urls          parquet.ColumnChunkValueReader
	captions      parquet.ColumnChunkValueReader
	rowsRead      int
	buffer, other [256]parquet.Value
}

func (p *parquetFile) fail(err error) error {
	var known *ListError
	if errors.As(err, &known) {
		return err
	}
	return &ListError{File: p.name, Rule: fmt.Sprintf("after row %d it is no sound Parquet", p.rowsRead), Mend: parquetMend, Err: err}
}

// checkFooter refuses a footer that is longer than its file: the reader would take memory for all of it first.
func checkFooter(r io.ReaderAt, size int64) error {
	var tail [8]byte // the footer's length and the magic
	if _, err := r.ReadAt(tail[:], max(0, size-int64(len(tail)))); err != nil {
		return err
	}
	if n := int64(binary.LittleEndian.Uint32(tail[:])); n > size {
		return fmt.Errorf("its footer is said to have %d bytes, and the file has %d", n, size)
	}
	return nil
}

func (p *parquetFile) open(r io.ReaderAt, size int64, columns Columns) error {
	if err := checkFooter(r, size); err != nil {
		return err
	}
	file, err := parquet.OpenFile(r, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true), parquet.ReadBufferSize(1<<20))
	if err != nil {
		return err
	}
	var names []string
	schema := file.Schema()
	for _, field := range schema.Fields() {
		names = append(names, field.Name())
	}
	url, caption, rule, mend := columns.find(names)
	if rule != "" {
		return &ListError{File: p.name, Rule: rule, Mend: mend}
	}
	for _, c := range []struct {
		name string
		into *int
	}{{names[url], &p.url}, {names[caption], &p.caption}} {
		leaf, found := schema.Lookup(c.name)
		if !found || leaf.MaxRepetitionLevel > 0 || leaf.Node.Type().Kind() != parquet.ByteArray {
			return &ListError{File: p.name, Rule: fmt.Sprintf("its column %q holds no strings", c.name), Mend: parquetMend}
		}
		*c.into = leaf.ColumnIndex
	}
	p.groups, p.group = file.RowGroups(), -1
	return nil
}

// read returns the next rows of a row group, and whether they are its last.
func (p *parquetFile) read(group int) (rows []Row, last bool, err error) {
	if group != p.group {
		chunks := p.groups[group].ColumnChunks()
		p.group, p.urls, p.captions = group, parquet.NewColumnChunkValueReader(chunks[p.url]), parquet.NewColumnChunkValueReader(chunks[p.caption])
	}
	n, err := readValues(p.urls, p.buffer[:])
	if err != nil {
		return nil, false, err
	}
	m, err := readValues(p.captions, p.other[:])
	if err != nil {
		return nil, false, err
	}
	if n != m {
		return nil, false, errors.New("its columns have different lengths")
	}
	for i := range n {
		row := Row{URL: string(p.buffer[i].ByteArray()), Caption: string(p.other[i].ByteArray())}
		if len(row.URL)+len(row.Caption) > maxLineBytes {
			return nil, false, fmt.Errorf("row %d is %w", p.rowsRead+i, errLongLine)
		}
		rows = append(rows, row)
	}
	p.rowsRead += n
	if n < len(p.buffer) {
		return rows, true, errors.Join(p.urls.Close(), p.captions.Close())
	}
	return rows, false, nil
}

// readValues fills values as far as the column reaches; a reader may hand out few at a time.
func readValues(r parquet.ColumnChunkValueReader, values []parquet.Value) (int, error) {
	n := 0
	for n < len(values) {
		got, err := r.ReadValues(values[n:])
		for i := range values[n : n+got] {
			values[n+i] = values[n+i].Clone() // a page is gone when the next one is read
		}
		n += got
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return n, err
		}
		if got == 0 {
			return n, io.ErrNoProgress
		}
	}
	return n, nil
}
