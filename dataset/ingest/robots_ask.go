package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// How long what is known of a site's robots.txt holds: its text, and that it could not be had.
const (
	robotsTTL        = time.Hour
	robotsFailureTTL = 10 * time.Minute
)

// errNoRobots says that a URL failed because its site's robots.txt could not be had: trying again soon asks nobody.
var errNoRobots = errors.New("robots.txt cannot be had, so nothing of this site may be asked for")

// askRobots fails where a site's robots.txt forbids a URL, asks for too long a time between two requests, or cannot be had.
// delay is the time that it asks for.
func (f *fetcher) askRobots(ctx context.Context, at *url.URL) (delay time.Duration, err error) {
	if f.settings.IgnoreRobots {
		return 0, nil
	}
	rules, err := f.robots.get(ctx, at.Scheme+"://"+at.Host)
	if err != nil {
		return 0, err
	}
	switch {
	case rules.failure != nil:
		return 0, &failure{rules.failure.class, rules.failure.status, fmt.Errorf("%w: %w", errNoRobots, rules.failure.err)}
	case !rules.allows(pathOf(at)):
		return 0, &failure{class: ByRobots, err: errors.New("robots.txt of " + at.Host + " forbids it")}
	case rules.delay > longestCrawlDelay:
		return 0, &failure{class: ByRobots, err: fmt.Errorf("robots.txt of %s asks for %s between two requests (Crawl-delay); more than %s is taken as no", at.Host, rules.delay, longestCrawlDelay)}
	}
	return rules.delay, nil
}

// pathOf returns what robots.txt judges of a URL.
func pathOf(at *url.URL) string {
	path := at.EscapedPath()
	if path == "" {
		path = "/"
	}
	if at.RawQuery != "" {
		path += "?" + at.RawQuery
	}
	return path
}

// fetchRobots finds a site's rules, trying again where that may help. As RFC 9309 has it, a site without a robots.txt allows
// everything, and one that cannot be asked nothing: that is an answer too, so that not every URL asks anew.
func (f *fetcher) fetchRobots(ctx context.Context, site string) (rules *robots, holds time.Duration, err error) {
	for try := 1; ; try++ {
		if rules, err = f.readRobots(ctx, site); err == nil {
			return rules, robotsTTL, nil
		}
		var failed *failure
		if err = f.classify(ctx, err); !errors.As(err, &failed) {
			return nil, 0, err
		}
		if !failed.class.Retryable() || try >= f.settings.Tries {
			return &robots{failure: failed}, robotsFailureTTL, nil
		}
		f.counts.Retries.Add(1)
		if !pause(ctx, max(f.settings.Backoff<<(try-1), retryAfter(err))) {
			return nil, 0, ctx.Err()
		}
	}
}

// readRobots asks for a site's robots.txt once and follows redirects; where they do not end there is none.
func (f *fetcher) readRobots(ctx context.Context, site string) (*robots, error) {
	at, err := url.Parse(site + "/robots.txt")
	if err != nil {
		return nil, &failure{class: BadURL, err: err}
	}
	for range f.settings.MaxRedirects + 1 {
		text, next, err := f.robotsHop(ctx, at)
		if err != nil {
			return nil, err
		}
		if next == nil {
			return parseRobots(text, f.product), nil
		}
		at = next
	}
	return &robots{}, nil
}

// robotsHop makes one request for a robots.txt. It takes no slot of the downloads, all of which may wait for it.
func (f *fetcher) robotsHop(ctx context.Context, at *url.URL) (text string, next *url.URL, err error) {
	ctx, cancel := context.WithTimeout(ctx, f.settings.Timeout)
	defer cancel()
	response, err := f.get(ctx, at)
	if err != nil {
		return "", nil, err
	}
	defer response.Body.Close()
	switch status := response.StatusCode; {
	case status >= 500:
		return "", nil, &failure{ServerError, status, &waitError{status, waitOf(response)}}
	case status >= 300 && status < 400:
		next, err := at.Parse(response.Header.Get("Location"))
		if err != nil || checkURL(next) != nil || response.Header.Get("Location") == "" {
			return "", nil, nil
		}
		return "", next, nil
	case status != http.StatusOK:
		return "", nil, nil
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, robotsBytes))
	return string(data), nil, err
}
