package main

import (
	"fmt"
	"os"
	"strconv"
	"sync"

	"github.com/hashicorp/go-hclog"

	"github.com/textground/textground/dataset"
)

// jpegDecoder is this process's JPEG decoder, libjpeg-turbo where the machine has it. TEXTGROUND_JPEG=go or =turbo forces one,
// so that machines of both kinds can work on one run.
var jpegDecoder = sync.OnceValues(func() (*dataset.JPEGDecoder, error) {
	d, err := dataset.OpenJPEGDecoder(os.Getenv("TEXTGROUND_JPEG"))
	if err != nil {
		return nil, badInput("TEXTGROUND_JPEG: " + err.Error())
	}
	return d, nil
})

// cacheBytes bounds the shards that a worker keeps: TEXTGROUND_CACHE_MB, or a gibibyte.
func cacheBytes() (int64, error) {
	text := os.Getenv("TEXTGROUND_CACHE_MB")
	if text == "" {
		return 1 << 30, nil
	}
	megabytes, err := strconv.ParseInt(text, 10, 40)
	if err != nil || megabytes < 1 {
		return 0, badInput(fmt.Sprintf("TEXTGROUND_CACHE_MB=%q: megabytes are wanted, at least 1", text))
	}
	return megabytes * 1e6, nil
}

// loader reads the run's data. Shards are kept in memory, or in the directory TEXTGROUND_CACHE_DIR, which all workers of a machine
// may share.
func (a *assembly) loader(ahead int, log hclog.Logger) (*dataset.Loader, error) {
	decoder, err := jpegDecoder()
	if err != nil {
		return nil, err
	}
	bytes, err := cacheBytes()
	if err != nil {
		return nil, err
	}
	return dataset.NewLoader(dataset.LoaderConfig{Store: a.store, Prefix: a.file.Data.Shards, Index: a.index, Plan: a.plan, Tokenizer: a.tokenizer,
		Augment: dataset.AugmentConfig(a.file.Data.Augment), ImageSize: a.config.Vision.Image, Seed: a.file.Seed, JPEG: decoder,
		CacheBytes: bytes, CacheDir: os.Getenv("TEXTGROUND_CACHE_DIR"), Ahead: ahead, Threads: 1, Log: log.Named("loader")}), nil
}
