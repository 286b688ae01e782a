package ingest

import (
	"fmt"
	"strings"
	"time"
)

// Settings are what a crawl's shards depend on. They stand in its plan: all that take part use the same.
type Settings struct {
	PerShard int `json:"per_shard"` // URLs to a shard

	ShortSide    int    `json:"short_side"` // pixels; a picture whose shorter side is longer is made smaller, never larger
	Quality      int    `json:"quality"`    // of JPEG
	Reencode     bool   `json:"reencode"`   // also JPEGs that need no resizing
	JPEG         string `json:"jpeg"`       // the name of the [Codec]
	CaptionBytes int    `json:"caption_bytes"`
	Unique       bool   `json:"unique"` // leave out exact duplicates

	MaxBytes     int64         `json:"max_bytes"` // of a response's body
	MaxPixels    int           `json:"max_pixels"`
	MinSide      int           `json:"min_side"`
	MaxAspect    float64       `json:"max_aspect"` // longer side to shorter
	MaxRedirects int           `json:"max_redirects"`
	Timeout      time.Duration `json:"timeout"` // for one request, from asking for the name to the last byte
	Tries        int           `json:"tries"`   // of a URL, each with its redirects
	Backoff      time.Duration `json:"backoff"` // before the second try; doubled each time

	Agent        string `json:"agent"` // User-Agent
	IgnoreRobots bool   `json:"ignore_robots"`
	IgnoreTags   bool   `json:"ignore_tags"`
}

// DefaultSettings are img2dataset's keep_ratio at 512 pixels, and the manners that its users are asked for.
func DefaultSettings() Settings {
	return Settings{
		PerShard: 1000, ShortSide: 512, Quality: 90, JPEG: "go", CaptionBytes: 4096,
		MaxBytes: 32 << 20, MaxPixels: 50_000_000, MinSide: 16, MaxAspect: 20, MaxRedirects: 5,
		Timeout: 20 * time.Second, Tries: 3, Backoff: time.Second,
		Agent: "textground/1.0 (+https://github.com/textground/textground)",
	}
}

// Check refuses settings that make no sense, by the name of their flag.
func (s Settings) Check() error {
	for _, rule := range []struct {
		broken bool
		text   string
	}{
		{s.PerShard < 1 || s.PerShard > 99_999, "--per-shard: give 1 to 99999 URLs"},
		{s.ShortSide < 16 || s.ShortSide > 8192, "--short-side: give 16 to 8192 pixels"},
		{s.Quality < 1 || s.Quality > 100, "--quality: give 1 to 100"},
		{s.CaptionBytes < 1 || s.CaptionBytes > maxLineBytes, "--caption-bytes: give 1 to 1048576"},
		{s.MaxBytes < 1 || s.MaxBytes > 1<<30, "--max-bytes: give 1 to 1073741824"},
		{s.MaxPixels < 1, "--max-pixels: give at least 1"},
		{s.MinSide < 1, "--min-side: give at least 1 pixel"},
		{!(s.MaxAspect >= 1), "--max-aspect: give at least 1"},
		{s.MaxRedirects < 0 || s.MaxRedirects > 20, "--max-redirects: give 0 to 20"},
		{s.Timeout < time.Millisecond, "--timeout: give at least 1ms"},
		{s.Tries < 1 || s.Tries > 10, "--tries: give 1 to 10"},
		{s.Backoff < 0, "--backoff: give no negative time"},
		{productName(s.Agent) == "" || strings.ContainsAny(s.Agent, "\r\n"), "--agent: give a name such as mybot/1.0 (+https://...)"},
	} {
		if rule.broken {
			return fmt.Errorf("%s", rule.text)
		}
	}
	return nil
}
