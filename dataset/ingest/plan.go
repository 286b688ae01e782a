package ingest

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"reflect"
	"strconv"
	"strings"

	"github.com/textground/textground/store"
)

const planFormat = "textground-ingest-1"

// Plan says what a crawl, or one generation of it, is: a list cut into parts. It is written once, after its parts.
type Plan struct {
	Format     string     `json:"format"`
	Generation int        `json:"generation"` // 0 is the list; each later one asks again for what failed before
	Lists      []listFile `json:"lists"`
	Limit      int        `json:"limit,omitempty"` // of rows; 0 for all
	Columns    Columns    `json:"columns"`
	Rows       int        `json:"rows"`
	Parts      int        `json:"parts"`
	Settings   Settings   `json:"settings"`
}

// Where things lie below the data set's prefix.
func planKey(generation int) string { return fmt.Sprintf("ingest/%d/plan.json", generation) }
func partKey(generation, part int) string {
	return fmt.Sprintf("ingest/%d/parts/%05d.jsonl.gz", generation, part)
}
func ledgerKey(generation, part int) string {
	return fmt.Sprintf("ingest/%d/ledger/%05d.jsonl", generation, part)
}

// shardName names a part's shard. Generations come one after the other when names are sorted.
func shardName(generation, part int) string {
	if generation == 0 {
		return fmt.Sprintf("%05d.tar", part)
	}
	return fmt.Sprintf("r%d-%05d.tar", generation, part)
}

// OtherPlanError says that a prefix holds the crawl of something else.
type OtherPlanError struct{ Place, Difference string }

func (e *OtherPlanError) Error() string {
	return fmt.Sprintf("%s holds a data set with %s; give the settings and the list that it was begun with, or another place", e.Place, e.Difference)
}

// Begin returns the plan of a list in home, the data set's place. It cuts the list unless that was done before; then list
// and settings must be the same. progress, which may be nil, hears how many rows are cut.
func Begin(ctx context.Context, home store.Store, list *List, limit int, s Settings, progress func(rows int)) (*Plan, error) {
	wanted := &Plan{Format: planFormat, Lists: list.files, Limit: limit, Columns: list.columns, Settings: s}
	known, err := readPlan(ctx, home, 0)
	if err == nil {
		return known, known.compare(home, wanted)
	}
	if !errors.Is(err, store.ErrNotExist) {
		return nil, err
	}
	if err := refuseForeign(ctx, home); err != nil {
		return nil, err
	}
	cut := cutter{home: home, plan: wanted, progress: progress}
	for row, err := range list.Rows(ctx) {
		if err != nil {
			return nil, err
		}
		if limit > 0 && wanted.Rows == limit {
			break
		}
		if err := cut.add(ctx, row); err != nil {
			return nil, err
		}
	}
	return wanted, cut.finish(ctx)
}

// refuseForeign keeps a crawl out of a place with shards of another origin: it will delete what it does not know as its own.
func refuseForeign(ctx context.Context, home store.Store) error {
	objects, err := home.List(ctx, "")
	if err != nil {
		return fmt.Errorf("looking into %s: %w", home, err)
	}
	for _, o := range objects {
		if strings.HasSuffix(o.Key, ".tar") {
			return &OtherPlanError{home.String(), "no plan, but shards (" + o.Key + ")"}
		}
	}
	return nil
}

func (p *Plan) compare(home store.Store, wanted *Plan) error {
	difference := ""
	switch {
	case len(p.Lists) != len(wanted.Lists):
		difference = fmt.Sprintf("%d list files instead of %d", len(p.Lists), len(wanted.Lists))
	case p.Limit != wanted.Limit:
		difference = fmt.Sprintf("--limit %d", p.Limit)
	case p.Columns != wanted.Columns:
		difference = "other columns"
	case p.Settings != wanted.Settings:
		difference = "other settings: " + firstDifference(p.Settings, wanted.Settings)
	}
	for i, f := range p.Lists {
		if difference == "" && (path.Base(f.Name) != path.Base(wanted.Lists[i].Name) || f.Size != wanted.Lists[i].Size) {
			difference = fmt.Sprintf("the list %s of %d bytes", f.Name, f.Size)
		}
	}
	if difference == "" {
		return nil
	}
	return &OtherPlanError{home.String(), difference}
}

// firstDifference names a setting as the plan's file does.
func firstDifference(have, want Settings) string {
	a, b := reflect.ValueOf(have), reflect.ValueOf(want)
	for i := range a.NumField() {
		if a.Field(i).Interface() != b.Field(i).Interface() {
			return fmt.Sprintf("%s is %v", a.Type().Field(i).Tag.Get("json"), a.Field(i).Interface())
		}
	}
	return "none"
}

func readPlan(ctx context.Context, home store.Store, generation int) (*Plan, error) {
	const maxPlanBytes = 64 << 20
	data, err := readObject(ctx, home, planKey(generation), maxPlanBytes)
	if err != nil {
		return nil, err
	}
	var p Plan
	if err := json.Unmarshal(data, &p); err != nil || p.Format != planFormat {
		return nil, fmt.Errorf("%s in %s is no plan of this build (format %.40q, %w); use another place", planKey(generation), home, p.Format, err)
	}
	return &p, nil
}

func readObject(ctx context.Context, home store.Store, key string, most int64) ([]byte, error) {
	r, err := home.Get(ctx, key, 0, -1)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("more than %d bytes", most)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s from %s: %w", key, home, err)
	}
	return data, nil
}

// Newest returns the plan of the newest generation in home, or [store.ErrNotExist].
func Newest(ctx context.Context, home store.Store) (*Plan, error) {
	newest, err := readPlan(ctx, home, 0)
	for err == nil {
		var next *Plan
		if next, err = readPlan(ctx, home, newest.Generation+1); err == nil {
			newest = next
		} else if errors.Is(err, store.ErrNotExist) {
			return newest, nil
		}
	}
	return nil, err
}

// cutter writes the parts of a plan, and the plan last. A part that is there from an earlier start is the same or an error.
type cutter struct {
	home     store.Store
	plan     *Plan
	rows     []Row
	progress func(int)
}

func (c *cutter) add(ctx context.Context, row Row) error {
	row.Caption = cleanCaption(row.Caption, c.plan.Settings.CaptionBytes)
	row.URL = strings.ToValidUTF8(strings.TrimSpace(row.URL), "\uFFFD")
	c.rows = append(c.rows, row)
	c.plan.Rows++
	if len(c.rows) < c.plan.Settings.PerShard {
		return nil
	}
	return c.write(ctx)
}

func (c *cutter) write(ctx context.Context) error {
	key := partKey(c.plan.Generation, c.plan.Parts)
	if err := putOnce(ctx, c.home, key, packRows(c.rows)); err != nil {
		return fmt.Errorf("cutting the list: %w", err)
	}
	c.plan.Parts++
	c.rows = c.rows[:0]
	if c.progress != nil {
		c.progress(c.plan.Rows)
	}
	return nil
}

func (c *cutter) finish(ctx context.Context) error {
	if len(c.rows) > 0 {
		if err := c.write(ctx); err != nil {
			return err
		}
	}
	if c.plan.Rows == 0 {
		return &ListError{File: c.plan.names(), Rule: "there is no URL in it", Mend: "give a list with at least one"}
	}
	data, err := json.MarshalIndent(c.plan, "", " ")
	if err != nil {
		return fmt.Errorf("writing the plan: %w", err)
	}
	return putOnce(ctx, c.home, planKey(c.plan.Generation), append(data, '\n'))
}

func (p *Plan) names() string {
	var names []string
	for _, f := range p.Lists {
		names = append(names, f.Name)
	}
	return strings.Join(names, ", ")
}

// errOtherContents says that a key holds something else than what was to be created.
var errOtherContents = errors.New("it is there with other contents")

// putOnce creates a key; one that is there with these contents is as good.
func putOnce(ctx context.Context, home store.Store, key string, data []byte) error {
	err := home.PutNew(ctx, key, data)
	if !errors.Is(err, store.ErrExists) {
		return err
	}
	there, err := readObject(ctx, home, key, int64(len(data)))
	if err != nil || !bytes.Equal(there, data) {
		return fmt.Errorf("%s in %s: %w", key, home, errors.Join(errOtherContents, err))
	}
	return nil
}

func packRows(rows []Row) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	e := json.NewEncoder(z)
	e.SetEscapeHTML(false)
	for _, row := range rows {
		if err := e.Encode(row); err != nil {
			panic(fmt.Sprintf("ingest: a row: %v", err)) // two strings and a number, into memory
		}
	}
	if err := z.Close(); err != nil {
		panic(fmt.Sprintf("ingest: packing rows: %v", err))
	}
	return b.Bytes()
}

// rows reads one part of a plan.
func (p *Plan) rows(ctx context.Context, home store.Store, part int) ([]Row, error) {
	key := partKey(p.Generation, part)
	r, err := home.Get(ctx, key, 0, -1)
	if err != nil {
		return nil, fmt.Errorf("reading a part of the list: %w", err)
	}
	defer r.Close()
	z, err := gzip.NewReader(bufio.NewReader(r))
	if err != nil {
		return nil, fmt.Errorf("%s in %s is damaged: %w; restore it", key, home, err)
	}
	d := json.NewDecoder(z)
	var rows []Row
	for {
		var row Row
		if err := d.Decode(&row); err == io.EOF {
			return rows, nil
		} else if err != nil {
			return nil, fmt.Errorf("%s in %s is damaged after %d rows: %w; restore it", key, home, len(rows), err)
		}
		if rows = append(rows, row); len(rows) > p.Settings.PerShard {
			return nil, fmt.Errorf("%s in %s has more than %d rows; restore it", key, home, p.Settings.PerShard)
		}
	}
}

// sealedParts lists the parts of a generation that have a ledger, in order.
func sealedParts(ctx context.Context, home store.Store, generation int) ([]int, error) {
	prefix := path.Dir(ledgerKey(generation, 0)) + "/"
	objects, err := home.List(ctx, prefix)
	if err != nil {
		return nil, fmt.Errorf("listing what is crawled: %w", err)
	}
	var parts []int
	for _, o := range objects {
		if n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(o.Key, prefix), ".jsonl")); err == nil {
			parts = append(parts, n)
		}
	}
	return sorted(parts), nil
}
