package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/textground/textground/dataset"
	"github.com/textground/textground/dataset/ingest"
	"github.com/textground/textground/exchange"
	"github.com/textground/textground/store"
)

type ingestFlags struct {
	to            string
	columns       ingest.Columns
	limit         int
	settings      ingest.Settings
	fetching      ingest.Fetching
	listen, join  string
	metrics, jpeg string
	publicMetrics bool
	retry, asJSON bool
	store         store.Store // opened from to
	home          store.Store // the part of store below prefix
	storeURL      string
	prefix        string
}

func newIngest() *cobra.Command {
	f := ingestFlags{settings: ingest.DefaultSettings(), fetching: ingest.DefaultFetching()}
	c := &cobra.Command{
		Use: "ingest LIST... --to STORE/PREFIX", Short: "Fetch images by lists of URLs and captions into shards",
		Example: `  textground ingest urls.parquet --to demo/mine --limit 100
  textground ingest lists/ more.tsv.gz --to s3://bucket/shards/mine --listen 0.0.0.0:4222
  TEXTGROUND_TOKEN=... textground ingest --join nats://host:4222 --to s3://bucket/shards/mine
  textground ingest --retry-failed --to demo/mine`,
		Long: "Fetch images by lists of URLs and captions (CSV, TSV, JSON lines, Parquet; also .gz and .zst; files, directories, s3://) into\n" +
			"shards and their index. Run the same command again to go on where it stopped. docs/ingest.md has the rest.",
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			return f.run(c.Context(), args, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	f.bind(c)
	return c
}

func (f *ingestFlags) bind(c *cobra.Command) {
	flags, s, how := c.Flags(), &f.settings, &f.fetching
	flags.StringVar(&f.to, "to", "", "where the shards go: DIR/PREFIX or s3://BUCKET/PREFIX")
	flags.StringVar(&f.columns.URL, "url-column", "", "name of the column with the URLs, or its number where no line has names (default: url, image_url, ...)")
	flags.StringVar(&f.columns.Caption, "caption-column", "", "the same for the captions (default: caption, text, ...)")
	flags.IntVar(&f.limit, "limit", 0, "take so many rows of the list (0: all)")
	flags.BoolVar(&f.retry, "retry-failed", false, "ask again for the URLs of a finished ingest that failed for a reason that may pass")
	flags.BoolVar(&f.asJSON, "json", false, "one JSON object at the end")

	flags.IntVar(&s.PerShard, "per-shard", s.PerShard, "URLs to a shard")
	flags.IntVar(&s.ShortSide, "short-side", s.ShortSide, "make the shorter side this long; never longer than it is")
	flags.StringVar(&f.jpeg, "jpeg", "", "decoder and encoder: go, or turbo for libjpeg-turbo (default: turbo where this machine has it)")
	flags.IntVar(&s.Quality, "quality", s.Quality, "of JPEG, 1 to 100")
	flags.BoolVar(&s.Reencode, "reencode", s.Reencode, "encode JPEGs again that need no resizing")
	flags.IntVar(&s.CaptionBytes, "caption-bytes", s.CaptionBytes, "cut captions to so many bytes")
	flags.BoolVar(&s.Unique, "dedupe", s.Unique, "leave out images whose bytes came before in the list")
	flags.Int64Var(&s.MaxBytes, "max-bytes", s.MaxBytes, "of a file")
	flags.IntVar(&s.MaxPixels, "max-pixels", s.MaxPixels, "of an image")
	flags.IntVar(&s.MinSide, "min-side", s.MinSide, "pixels of the shorter side at least")
	flags.Float64Var(&s.MaxAspect, "max-aspect", s.MaxAspect, "longer side to shorter at most")
	flags.IntVar(&s.MaxRedirects, "max-redirects", s.MaxRedirects, "of a URL")
	flags.DurationVar(&s.Timeout, "timeout", s.Timeout, "of one request, to its last byte")
	flags.IntVar(&s.Tries, "tries", s.Tries, "of a URL whose failure may pass")
	flags.DurationVar(&s.Backoff, "backoff", s.Backoff, "before the second try; doubles each time")
	flags.StringVar(&s.Agent, "agent", s.Agent, "User-Agent; its first word is what robots.txt calls this crawler")
	flags.BoolVar(&s.IgnoreRobots, "ignore-robots", s.IgnoreRobots, "do not ask for robots.txt")
	flags.BoolVar(&s.IgnoreTags, "ignore-x-robots-tag", s.IgnoreTags, "take images in spite of X-Robots-Tag: noai, noindex, none")

	flags.IntVar(&how.AtOnce, "downloads", how.AtOnce, "requests of this process at once")
	flags.IntVar(&how.PerHost, "per-host", how.PerHost, "of them to one host")
	flags.DurationVar(&how.Interval, "pace", how.Interval, "between two requests to one host")
	flags.Int64Var(&how.MemoryBytes, "memory", how.MemoryBytes, "bytes for files under way")
	flags.BoolVar(&how.AllowPrivate, "allow-private", how.AllowPrivate, "also addresses that are not on the public internet")
	flags.StringVar(&f.listen, "listen", "", "address at which other machines may join")
	flags.StringVar(&f.join, "join", "", "help the ingest that listens at nats://HOST:PORT; the secret comes from TEXTGROUND_TOKEN")
	flags.StringVar(&f.metrics, "metrics", "", "serve Prometheus counters at this address, such as 127.0.0.1:9464")
	flags.BoolVar(&f.publicMetrics, "metrics-public", false, "let --metrics listen beyond this machine, without a password")
}

// check refuses flags that do not fit together, before anything is touched.
func (f *ingestFlags) check(lists []string) error {
	switch {
	case f.to == "":
		return badInput("--to is missing: where do the shards go? DIR/PREFIX or s3://BUCKET/PREFIX")
	case f.join != "" && f.listen != "":
		return badInput("--join and --listen: an ingest either helps or leads")
	case (f.join != "" || f.retry) && len(lists) > 0:
		return badInput("with --join and --retry-failed the list is known; leave it out")
	case f.join != "" && f.retry:
		return badInput("--retry-failed is for the leader; leave it out with --join")
	case f.join == "" && !f.retry && len(lists) == 0:
		return badInput("which list? textground ingest LIST... --to " + f.to)
	case f.limit < 0:
		return badInput("--limit: give a number of rows, or 0 for all")
	}
	if err := errors.Join(f.settings.Check(), f.fetching.Check(f.settings)); err != nil {
		return badInput(err.Error())
	}
	return nil
}

func (f *ingestFlags) run(ctx context.Context, lists []string, out, talk io.Writer) error {
	if err := f.check(lists); err != nil {
		return err
	}
	if err := f.open(ctx); err != nil {
		return err
	}
	var err error
	if f.join != "" {
		err = f.help(ctx, out, talk)
	} else {
		err = f.lead(ctx, lists, out, talk)
	}
	var list *ingest.ListError
	var other *ingest.OtherPlanError
	switch {
	case errors.As(err, &list), errors.As(err, &other):
		return badInput(err.Error())
	case ctx.Err() != nil:
		return &interruption{"stopped; what is sealed stays, and the same command goes on"}
	}
	return err
}

// open splits --to into a store and a prefix, as the commands that train and show want them.
func (f *ingestFlags) open(ctx context.Context) (err error) {
	at := strings.LastIndexByte(strings.TrimRight(f.to, "/"), '/')
	f.storeURL, f.prefix = ".", strings.Trim(f.to, "/")
	if at >= 0 {
		f.storeURL, f.prefix = f.to[:at], strings.Trim(f.to[at:], "/")
	}
	if f.prefix == "" || strings.HasSuffix(f.storeURL, ":/") {
		return badInput(fmt.Sprintf("--to %s: a prefix is missing behind the directory or bucket, such as %s/mine", f.to, strings.TrimRight(f.to, "/")))
	}
	if f.store, err = openStore(ctx, f.storeURL); err == nil {
		f.home = store.WithPrefix(f.store, f.prefix)
	}
	return err
}

// plan finds or makes the plan to work on.
func (f *ingestFlags) plan(ctx context.Context, lists []string, talk io.Writer) (*ingest.Plan, error) {
	if f.retry {
		plan, err := ingest.Retry(ctx, f.home)
		if errors.Is(err, store.ErrNotExist) {
			err = badInput("no ingest was begun in " + f.to)
		}
		return plan, err
	}
	codec, err := ingest.OpenCodec(f.jpeg)
	if err != nil {
		return nil, badInput(err.Error())
	}
	f.settings.JPEG = codec.Name()
	list, err := ingest.OpenList(ctx, lists, f.columns)
	if err != nil {
		return nil, err
	}
	count := newCounter(talk, "rows", f.limit)
	defer count.stop()
	return ingest.Begin(ctx, f.home, list, f.limit, f.settings, count.set)
}

// lead crawls a list, alone or with others, and writes the index.
func (f *ingestFlags) lead(ctx context.Context, lists []string, out, talk io.Writer) error {
	if err := store.Probe(ctx, f.store); err != nil {
		return err
	}
	plan, err := f.plan(ctx, lists, talk)
	if errors.Is(err, ingest.ErrNothingToRetry) {
		fmt.Fprintln(talk, err)
		return f.finish(ctx, nil, out, talk)
	}
	if err != nil {
		return err
	}
	desk, err := ingest.NewDesk(ctx, f.home, plan, time.Now)
	if err != nil {
		return err
	}
	if f.listen != "" {
		stop, err := f.serve(ctx, desk, talk)
		if err != nil {
			return err
		}
		defer stop()
	}
	crawler, err := ingest.NewCrawler(ctx, "leader", f.home, plan, f.fetching)
	if err != nil {
		return badInput(err.Error())
	}
	if err := f.crawl(ctx, crawler, desk, plan, desk, talk); err != nil {
		return err
	}
	for over := false; !over; { // the last reports of the others
		if _, _, over = desk.State(); !over && !sleep(ctx, 100*time.Millisecond) {
			return ctx.Err()
		}
	}
	return f.finish(ctx, crawler.Counts, out, talk)
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// serve lets others join.
func (f *ingestFlags) serve(ctx context.Context, desk *ingest.Desk, talk io.Writer) (stop func(), err error) {
	host, portText, err := net.SplitHostPort(f.listen)
	port, errPort := strconv.Atoi(portText)
	if err := errors.Join(err, errPort); err != nil {
		return nil, badInput(fmt.Sprintf("--listen %s: %v; write HOST:PORT, such as 0.0.0.0:4222", f.listen, err))
	}
	log, token := newLog("ingest", os.Stderr), envOr("TEXTGROUND_TOKEN", rand.Text())
	server, err := exchange.StartServer(exchange.ServerConfig{Listen: true, Host: host, Port: port, Token: token, Log: log})
	if err != nil {
		return nil, badInput(err.Error())
	}
	bus, err := exchange.Dial(ctx, exchange.BusConfig{Run: ingestRun, Name: "leader", InProcess: server, Log: log})
	if err != nil {
		server.Close()
		return nil, err
	}
	_, err = bus.ServeQuestions(func(name string, question []byte) ([]byte, error) {
		var report ingest.Report
		if err := json.Unmarshal(question, &report); err != nil {
			return nil, err
		}
		report.Name = name // that of the subject, to which a server's permissions can hold it
		orders, err := desk.Report(ctx, report)
		if err != nil {
			return nil, err
		}
		return json.Marshal(orders)
	})
	stop = func() {
		bus.Close()
		server.Close()
	}
	if err != nil {
		stop()
		return nil, err
	}
	f.printJoin(talk, host, server.Port(), token)
	return stop, nil
}

// ingestRun stands in the subjects of all ingests; each has a server of its own.
const ingestRun = "ingest"

func (f *ingestFlags) printJoin(talk io.Writer, host string, port int, token string) {
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host, _ = os.Hostname()
	}
	private := ""
	if f.fetching.AllowPrivate {
		private = " --allow-private"
	}
	fmt.Fprintf(talk, "to join from another machine:\n  TEXTGROUND_TOKEN=%s textground ingest --join nats://%s --to %s%s\n", token, net.JoinHostPort(host, strconv.Itoa(port)), f.to, private)
}

// help takes part in somebody else's ingest.
func (f *ingestFlags) help(ctx context.Context, out, talk io.Writer) error {
	plan, err := ingest.Newest(ctx, f.home)
	if errors.Is(err, store.ErrNotExist) {
		return badInput(fmt.Sprintf("no ingest was begun in %s; give the same place as the leader's --to, as this machine reaches it", f.to))
	}
	if err != nil {
		return err
	}
	name := "ingester-" + strings.ToLower(rand.Text()[:8])
	dialing, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	bus, err := exchange.Dial(dialing, externalBus(ingestRun, name, f.join, newLog("ingest", os.Stderr)))
	if err != nil {
		return badInput(err.Error())
	}
	defer bus.Close()
	crawler, err := ingest.NewCrawler(ctx, name, f.home, plan, f.fetching)
	if err != nil {
		return badInput(err.Error())
	}
	if err := f.crawl(ctx, crawler, remoteDesk{bus}, plan, nil, talk); err != nil {
		return err
	}
	fmt.Fprintf(out, "%d parts sealed by this process\n", crawler.Counts.Parts.Load())
	return nil
}

// remoteDesk asks the leader over NATS.
type remoteDesk struct{ bus *exchange.Bus }

func (d remoteDesk) Report(ctx context.Context, r ingest.Report) (orders ingest.Orders, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*ingest.BeatTime)
	defer cancel()
	question, err := json.Marshal(r)
	if err != nil {
		return orders, err
	}
	answer, err := d.bus.Ask(ctx, question)
	if err != nil {
		return orders, err
	}
	return orders, json.Unmarshal(answer, &orders)
}

// crawl runs an ingester to its end and shows how far it is. desk is nil where others lead.
func (f *ingestFlags) crawl(ctx context.Context, crawler *ingest.Crawler, leader ingest.Leader, plan *ingest.Plan, desk *ingest.Desk, talk io.Writer) error {
	stop, err := serveIngestMetrics(f.metrics, f.publicMetrics, crawler.Counts, plan, desk, talk)
	if err != nil {
		return err
	}
	defer stop()
	before := 0
	if desk != nil {
		before, _, _ = desk.State()
	}
	count := newCounter(talk, "URLs", plan.Rows)
	defer count.stop()
	ended := make(chan struct{})
	var g errgroup.Group
	g.Go(func() error {
		defer close(ended)
		return crawler.Run(ctx, leader)
	})
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return g.Wait()
		case <-tick.C:
			done := before*plan.Settings.PerShard + int(crawler.Counts.URLs())
			if desk != nil {
				sealed, _, _ := desk.State()
				done = max(done, sealed*plan.Settings.PerShard)
			}
			count.set(min(done, plan.Rows))
		}
	}
}

// finish writes the index and says what became of the list.
func (f *ingestFlags) finish(ctx context.Context, counts *ingest.Counts, out, talk io.Writer) error {
	_, summary, err := ingest.WriteIndex(ctx, f.home)
	if err != nil && summary.Rows > 0 && summary.Answered == 0 {
		err = fmt.Errorf("none of %d URLs gave an image (%s); nothing is indexed; %s/ingest has the ledger", summary.Rows, classesText(summary), f.home)
	}
	if err != nil {
		return err
	}
	if !summary.Complete {
		return fmt.Errorf("%d of %d URLs have no line in a ledger of %s, although an ingester said so; run the same command again", summary.Rows-summary.Done, summary.Rows, f.home)
	}
	if counts != nil {
		summary.Counts = map[string]any{"requests": counts.Requests.Load(), "retries": counts.Retries.Load(), "bytes": counts.Bytes.Load(), "parts": counts.Parts.Load(), "parts_late": counts.Late.Load()}
	}
	if f.asJSON {
		return json.NewEncoder(out).Encode(summary)
	}
	fmt.Fprintf(out, "%d of %d URLs answered; %d pairs in %d shards, fingerprint %s\n", summary.Answered, summary.Rows, summary.Samples, summary.Shards, summary.Fingerprint)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, class := range ingest.Classes {
		if n := summary.Classes[class]; n > 0 {
			fmt.Fprintf(table, "  %s\t%d\n", class, n)
		}
	}
	table.Flush()
	if summary.Retryable > 0 {
		fmt.Fprintf(talk, "%d may answer later: textground ingest --retry-failed --to %s\n", summary.Retryable, f.to)
	}
	fmt.Fprintf(talk, "next: textground data show %s --store %s\n", f.prefix, f.storeURL)
	return nil
}

func classesText(s ingest.Summary) string {
	var words []string
	for _, class := range ingest.Classes {
		if n := s.Classes[class]; n > 0 {
			words = append(words, fmt.Sprintf("%s %d", class, n))
		}
	}
	return strings.Join(words, ", ")
}

// indexOf indexes what an ingest has sealed by its ledgers, and shards of others by reading them.
func indexOf(ctx context.Context, st store.Store, prefix string, o dataset.IndexOptions) (*dataset.Index, dataset.IndexChanges, error) {
	home := store.WithPrefix(st, prefix)
	crawled, err := ingest.Crawled(ctx, home)
	if err != nil {
		return nil, dataset.IndexChanges{}, err
	}
	if !crawled {
		return dataset.UpdateIndex(ctx, st, prefix, o)
	}
	ix, _, err := ingest.WriteIndex(ctx, home)
	if err != nil {
		return nil, dataset.IndexChanges{}, err
	}
	return ix, dataset.IndexChanges{Kept: len(ix.Shards)}, nil
}
