package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/textground/textground/dataset/ingest"
	"github.com/textground/textground/proto"
	"github.com/textground/textground/store"
)

type ingestFlags struct {
	to            string
	columns       ingest.Columns
	limit         int
	settings      ingest.Settings
	fetching      ingest.Fetching
	listen, nats  string // where others may join: a server of this process, or one that exists
	join, name    string // whom to help, and as whom
	metrics, jpeg string
	publicMetrics bool
	retry, asJSON bool
	store         store.Store // opened from to
	home          store.Store // the part of store below prefix
	storeURL      string
	prefix        string
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
	flags.DurationVar(&how.Interval, "pace", how.Interval, "between two requests to one host; the Crawl-delay of its robots.txt counts where it is longer")
	flags.Int64Var(&how.MemoryBytes, "memory", how.MemoryBytes, "bytes for files under way")
	flags.BoolVar(&how.AllowPrivate, "allow-private", how.AllowPrivate, "also addresses that are not on the public internet")
	flags.StringVar(&f.listen, "listen", "", "address at which other machines may join")
	flags.StringVar(&f.nats, "nats", "", "external NATS server over which other machines may join, such as nats://host:4222")
	flags.StringVar(&f.join, "join", "", "help the ingest that is led over nats://HOST:PORT; the secret comes from TEXTGROUND_TOKEN")
	flags.StringVar(&f.name, "name", "", "with --join: name on the server (default: ingester and eight letters)")
	flags.StringVar(&f.metrics, "metrics", "", "serve Prometheus counters at this address, such as 127.0.0.1:9464")
	flags.BoolVar(&f.publicMetrics, "metrics-public", false, "let --metrics listen beyond this machine, without a password")
}

// check refuses flags that do not fit together, before anything is touched.
func (f *ingestFlags) check(lists []string) error {
	switch {
	case f.to == "":
		return badInput("--to is missing: where do the shards go? DIR/PREFIX or s3://BUCKET/PREFIX")
	case f.join != "" && (f.listen != "" || f.nats != ""):
		return badInput("--join beside --listen or --nats: an ingest either helps or leads")
	case f.listen != "" && f.nats != "":
		return badInput("--listen and --nats: others join either at this process or over a server that exists")
	case f.join == "" && f.name != "":
		return badInput("--name is for those who --join; the leader is called " + ingest.LeaderName)
	case f.name == ingest.LeaderName:
		return badInput("--name " + f.name + ": so the leader is called; give another")
	case (f.join != "" || f.retry) && len(lists) > 0:
		return badInput("with --join and --retry-failed the list is known; leave it out")
	case f.join != "" && f.retry:
		return badInput("--retry-failed is for the leader; leave it out with --join")
	case f.join == "" && !f.retry && len(lists) == 0:
		return badInput("which list? textground ingest LIST... --to " + f.to)
	case f.limit < 0:
		return badInput("--limit: give a number of rows, or 0 for all")
	}
	if f.name != "" {
		if err := proto.CheckName("--name", f.name); err != nil {
			return badInput(err.Error())
		}
	}
	if err := errors.Join(f.settings.Check(), f.fetching.Check(f.settings)); err != nil {
		return badInput(err.Error())
	}
	return nil
}
