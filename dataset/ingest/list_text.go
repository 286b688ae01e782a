package ingest

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
)

// maxLineBytes bounds one row of a list: an opening quote without an end must not read the rest of the file into memory.
const maxLineBytes = 1 << 20

var errLongLine = fmt.Errorf("longer than %d bytes", maxLineBytes)

// bounded fails when a row asks for more than maxLineBytes; next begins a row.
type bounded struct {
	r    io.Reader
	left int
}

func (b *bounded) next() { b.left = maxLineBytes }

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errLongLine
	}
	n, err := b.r.Read(p)
	b.left -= n
	return n, err
}

var byteOrderMark = []byte("\ufeff")

func skipByteOrderMark(r io.Reader) io.Reader {
	b := bufio.NewReader(r)
	if start, err := b.Peek(len(byteOrderMark)); err == nil && bytes.Equal(start, byteOrderMark) {
		_, _ = b.Discard(len(byteOrderMark)) // they are in the buffer
	}
	return b
}

// csvRows reads comma-separated values with quotes (RFC 4180).
func csvRows(file string, r io.Reader, columns Columns) iter.Seq2[Row, error] {
	source := &bounded{r: skipByteOrderMark(r)}
	records := csv.NewReader(source)
	records.FieldsPerRecord, records.ReuseRecord = -1, true
	read := func() ([]string, int, error) {
		source.next()
		fields, err := records.Read()
		if parse := (*csv.ParseError)(nil); errors.As(err, &parse) {
			return nil, parse.StartLine, parse.Err
		}
		line := 0
		if err == nil {
			line, _ = records.FieldPos(0)
		}
		return fields, line, err
	}
	return tableRows(file, columns, read, "mend the line, or give the file as .tsv or .jsonl")
}

// tsvRows reads lines of values between tabs. Quotes mean nothing, as in the lists of Conceptual Captions.
func tsvRows(file string, r io.Reader, columns Columns) iter.Seq2[Row, error] {
	lines := newLines(r)
	read := func() ([]string, int, error) {
		line, err := lines.read()
		return strings.Split(string(line), "\t"), lines.number, err
	}
	return tableRows(file, columns, read, "mend the line")
}

// tableRows picks the two columns out of a table's rows.
func tableRows(file string, columns Columns, read func() (fields []string, line int, err error), mend string) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		url, caption, known := columns.positions()
		for {
			fields, line, err := read()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(Row{}, &ListError{File: file, Line: line, Rule: "it cannot be read", Mend: mend, Err: err})
				return
			}
			if !known {
				var rule, how string
				if url, caption, rule, how = columns.find(fields); rule != "" {
					yield(Row{}, &ListError{File: file, Line: line, Rule: rule, Mend: how + ", or give positions (1, 2, ...) where no line has the names"})
					return
				}
				known = true
				continue
			}
			if len(fields) <= max(url, caption) {
				yield(Row{}, &ListError{File: file, Line: line, Rule: fmt.Sprintf("it has %d columns, URL and caption stand in %d and %d", len(fields), url+1, caption+1), Mend: mend})
				return
			}
			if !yield(Row{URL: strings.Clone(fields[url]), Caption: strings.Clone(fields[caption])}, nil) {
				return
			}
		}
	}
}

// jsonRows reads one JSON object a line.
func jsonRows(file string, r io.Reader, columns Columns) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		lines := newLines(r)
		for {
			line, err := lines.read()
			if errors.Is(err, io.EOF) {
				return
			}
			row, rule, mend := Row{}, "it cannot be read", "mend the line"
			if err == nil {
				row, rule, mend, err = jsonRow(line, columns)
			}
			if err != nil {
				yield(Row{}, &ListError{File: file, Line: lines.number, Rule: rule, Mend: mend, Err: err})
				return
			}
			if !yield(row, nil) {
				return
			}
		}
	}
}

func jsonRow(line []byte, columns Columns) (row Row, rule, mend string, err error) {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(line, &object); err != nil {
		return Row{}, "it is no JSON object", "write one object a line", err
	}
	names := sortedKeys(object)
	url, caption, rule, mend := columns.find(names)
	if rule != "" {
		return Row{}, "a field is missing", mend, errors.New(rule)
	}
	for _, field := range []struct {
		place int
		into  *string
	}{{url, &row.URL}, {caption, &row.Caption}} {
		if err := json.Unmarshal(object[names[field.place]], field.into); err != nil { // null leaves it empty
			return Row{}, fmt.Sprintf("its field %q is no string", names[field.place]), "write a string or null", err
		}
	}
	return row, "", "", nil
}

// lines reads lines that are not empty and counts all.
type lines struct {
	scanner *bufio.Scanner
	number  int
}

func newLines(r io.Reader) *lines {
	l := &lines{scanner: bufio.NewScanner(skipByteOrderMark(r))}
	l.scanner.Buffer(nil, maxLineBytes)
	return l
}

func (l *lines) read() ([]byte, error) {
	for l.scanner.Scan() {
		l.number++
		if line := l.scanner.Bytes(); len(line) > 0 {
			return line, nil
		}
	}
	err := l.scanner.Err()
	switch {
	case errors.Is(err, bufio.ErrTooLong):
		err = errLongLine
	case err == nil:
		return nil, io.EOF
	}
	l.number++
	return nil, err
}
