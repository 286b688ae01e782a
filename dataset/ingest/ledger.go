package ingest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/textground/textground/dataset"
	"github.com/textground/textground/store"
)

const (
	ledgerFormat   = "textground-ledger-1"
	maxLedgerBytes = 1 << 30
)

// Entry is what became of one URL.
type Entry struct {
	Row    int    `json:"row"`
	URL    string `json:"url"`
	Class  Class  `json:"class"`
	Status int    `json:"status,omitempty"` // of the last response
	Tries  int    `json:"tries"`
	Bytes  int    `json:"bytes,omitempty"`  // of the body
	SHA256 string `json:"sha256,omitempty"` // of the body
	Key    string `json:"key,omitempty"`    // of the sample in the part's shard
	Error  string `json:"error,omitempty"`
}

// Ledger seals a part: it is written last and once, and names every URL of the part exactly once, in list order.
type Ledger struct {
	Format     string         `json:"format"`
	Generation int            `json:"generation"`
	Part       int            `json:"part"`
	Answered   int            `json:"answered"`
	Shard      *dataset.Shard `json:"shard"` // its line of the index, or null where no URL answered

	Entries []Entry `json:"-"` // one a line, below
}

func (l *Ledger) encode() []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	write := func(v any) {
		if err := e.Encode(v); err != nil {
			panic(fmt.Sprintf("ingest: a line of a ledger: %v", err)) // strings and numbers, into memory
		}
	}
	write(l)
	for _, entry := range l.Entries {
		write(entry)
	}
	return b.Bytes()
}

func decodeLedger(data []byte) (*Ledger, error) {
	scanner := bufio.NewScanner(bytes.NewReader(data))
	scanner.Buffer(nil, maxLedgerBytes)
	var l Ledger
	if !scanner.Scan() {
		return nil, fmt.Errorf("it is empty")
	}
	if err := json.Unmarshal(scanner.Bytes(), &l); err != nil || l.Format != ledgerFormat {
		return nil, fmt.Errorf("its first line is none of a ledger (%w)", err)
	}
	for scanner.Scan() {
		var entry Entry
		if err := json.Unmarshal(scanner.Bytes(), &entry); err != nil {
			return nil, fmt.Errorf("after %d URLs: %w", len(l.Entries), err)
		}
		l.Entries = append(l.Entries, entry)
	}
	return &l, scanner.Err()
}

func readLedger(ctx context.Context, home store.Store, generation, part int) (*Ledger, error) {
	key := ledgerKey(generation, part)
	data, err := readObject(ctx, home, key, maxLedgerBytes)
	if err != nil {
		return nil, err
	}
	l, err := decodeLedger(data)
	if err == nil && (l.Generation != generation || l.Part != part) {
		err = fmt.Errorf("it is of part %d of generation %d", l.Part, l.Generation)
	}
	if err != nil {
		return nil, fmt.Errorf("%s in %s is no sound ledger: %w; restore it, or delete it to crawl its part again", key, home, err)
	}
	return l, nil
}
