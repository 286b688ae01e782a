package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/textground/textground/dataset/ingest"
	"github.com/textground/textground/store"
)

func newIngest() *cobra.Command {
	f := ingestFlags{settings: ingest.DefaultSettings(), fetching: ingest.DefaultFetching()}
	c := &cobra.Command{
		Use: "ingest LIST... --to STORE/PREFIX", Short: "Fetch images by lists of URLs and captions into shards",
		Example: `  textground ingest urls.parquet --to demo/mine --limit 100
  textground ingest lists/ more.tsv.gz --to s3://bucket/shards/mine --listen 0.0.0.0:4222
  TEXTGROUND_TOKEN=... textground ingest --join nats://host:4222 --to s3://bucket/shards/mine
  TEXTGROUND_TOKEN=... textground ingest lists/ --to s3://bucket/shards/mine --nats nats://host:4222
  textground ingest --retry-failed --to demo/mine`,
		Long: "Fetch images by lists of URLs and captions (CSV, TSV, JSON lines, Parquet; also .gz and .zst; files, directories, s3://) into\n" +
			"shards and their index. Run the same command again to go on where it stopped. Others help with --join, at the address that\n" +
			"--listen opens or over a server of yours (--nats), whose credentials stand in the environment. docs/ingest.md has the rest.",
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			return f.run(c.Context(), args, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	f.bind(c)
	return c
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
	var plan *ingest.OtherPlanError
	var leader *ingest.OtherLeaderError
	switch {
	case errors.As(err, &list), errors.As(err, &plan), errors.As(err, &leader):
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
