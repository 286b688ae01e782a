package ingest

import (
	"strconv"
	"strings"
	"time"
)

// What is read of a robots.txt (RFC 9309 asks for at least 500 KiB), so that no site makes a question expensive.
const (
	robotsBytes   = 500 << 10
	robotsRules   = 2000
	robotsPattern = 512
	robotsPath    = 2048
)

// longestCrawlDelay is the longest time between two requests that a site can ask for and still be asked: beyond it a list
// would never end.
const longestCrawlDelay = time.Minute

// robots are the rules of one site for one agent.
type robots struct {
	rules   []robotsRule
	delay   time.Duration // Crawl-delay: between two requests
	failure *failure      // why robots.txt could not be had: then nothing may be asked for
}

type robotsRule struct {
	pattern string
	allow   bool
}

// parseRobots reads the groups of a robots.txt that are for agent, a product name such as textground; where none is, those
// for everybody.
func parseRobots(text, agent string) *robots {
	if len(text) > robotsBytes {
		text = text[:robotsBytes]
	}
	var ours, everybody robots
	named, inGroup := false, false // a group for us was seen; the lines before were user-agent lines
	var into []*robots
	for line := range strings.Lines(strings.ReplaceAll(strings.TrimPrefix(text, "\ufeff"), "\r", "\n")) {
		line, _, _ = strings.Cut(line, "#")
		field, value, found := strings.Cut(line, ":")
		if !found {
			continue
		}
		field, value = strings.ToLower(strings.TrimSpace(field)), strings.TrimSpace(value)
		switch field {
		case "user-agent":
			if !inGroup {
				into = nil
			}
			inGroup = true
			switch {
			case value == "*":
				into = append(into, &everybody)
			case strings.EqualFold(productName(value), agent):
				named = true
				into = append(into, &ours)
			}
		case "allow", "disallow":
			inGroup = false
			for _, r := range into {
				r.add(value, field == "allow")
			}
		case "crawl-delay": // no rule of RFC 9309, so that it ends no list of agents
			for _, r := range into {
				r.delay = max(r.delay, crawlDelay(value))
			}
		}
	}
	if named {
		return &ours
	}
	return &everybody
}

// add takes a rule; an empty pattern says nothing.
func (r *robots) add(pattern string, allow bool) {
	if pattern != "" && len(pattern) <= robotsPattern && len(r.rules) < robotsRules {
		r.rules = append(r.rules, robotsRule{pattern, allow})
	}
}

// crawlDelay reads seconds, with a fraction or without; what is no such number asks for nothing.
func crawlDelay(value string) time.Duration {
	seconds, err := strconv.ParseFloat(value, 64)
	if err != nil || !(seconds > 0) {
		return 0
	}
	const mostSeconds = 1e9 // fits a Duration
	return time.Duration(min(seconds, mostSeconds) * float64(time.Second))
}

// allows says whether path, with its query, may be fetched: the longest pattern that matches decides, and of equally long
// ones the one that allows.
func (r *robots) allows(path string) bool {
	if len(path) > robotsPath {
		path = path[:robotsPath]
	}
	longest, allowed := -1, true
	for _, rule := range r.rules {
		if n := len(rule.pattern); (n > longest || n == longest && rule.allow) && matchesPattern(rule.pattern, path) {
			longest, allowed = n, rule.allow
		}
	}
	return allowed
}

// matchesPattern knows * for anything and a final $ for the end of the path. Each piece between stars is taken where it
// comes first, so that no pattern costs more than one pass.
func matchesPattern(pattern, path string) bool {
	pattern, whole := strings.CutSuffix(pattern, "$")
	pieces := strings.Split(pattern, "*")
	if !strings.HasPrefix(path, pieces[0]) {
		return false
	}
	rest := path[len(pieces[0]):]
	if len(pieces) == 1 {
		return !whole || rest == ""
	}
	last := len(pieces) - 1
	for _, piece := range pieces[1:last] {
		at := strings.Index(rest, piece)
		if at < 0 {
			return false
		}
		rest = rest[at+len(piece):]
	}
	if whole {
		return strings.HasSuffix(rest, pieces[last])
	}
	return strings.Contains(rest, pieces[last])
}

// productName is what robots.txt and X-Robots-Tag call the agent: the name before the version.
func productName(agent string) string {
	name, _, _ := strings.Cut(strings.TrimSpace(agent), "/")
	name, _, _ = strings.Cut(name, " ")
	return strings.ToLower(name)
}

// optedOut returns the directive of X-Robots-Tag headers by which a site keeps an image out of collections, or "".
// A directive may be for one agent: "otherbot: noai".
func optedOut(headers []string, agent string) string {
	for _, header := range headers {
		for directive := range strings.SplitSeq(header, ",") {
			if name, rest, found := strings.Cut(directive, ":"); found {
				if !strings.EqualFold(strings.TrimSpace(name), agent) {
					break // the rest of this header is for another agent, or a date
				}
				directive = rest
			}
			switch directive = strings.ToLower(strings.TrimSpace(directive)); directive {
			case "noai", "noimageai", "noindex", "noimageindex", "none":
				return directive
			}
		}
	}
	return ""
}
