package ingest

import (
	"testing"
	"time"
)

func TestRobotsRulesAsRFC9309HasThem(t *testing.T) {
	const text = "\ufeffUser-agent: *\nDisallow: /private # all of it\nAllow: /private/public\nDisallow: /*.gif$\n\n" +
		"User-Agent: otherbot\nuser-agent: TextGround/2.0\r\nDisallow: /no\nDisallow: /a*b*c$\nAllow: /no/but$\nCrawl-delay: 3\nbroken line\n"
	for _, c := range []struct {
		agent, path string
		want        bool
	}{
		{"somebody", "/", true}, {"somebody", "/private/x", false}, {"somebody", "/private/public/x", true},
		{"somebody", "/x.gif", false}, {"somebody", "/x.gif?y", true}, {"somebody", "/no", true},
		{"textground", "/private", true}, {"textground", "/no/x", false}, {"textground", "/no/but", true}, {"textground", "/no/but/x", false},
		{"textground", "/a/b/c", false}, {"textground", "/abxc", false}, {"textground", "/abcx", true}, {"otherbot", "/no", false},
	} {
		if got := parseRobots(text, c.agent).allows(c.path); got != c.want {
			t.Errorf("%s, %s: %v", c.agent, c.path, got)
		}
	}
	if !parseRobots("", "x").allows("/") || !parseRobots("User-agent: *\nDisallow:\n", "x").allows("/") || parseRobots("User-agent: *\nDisallow: /\n", "x").allows("/") {
		t.Error("nothing, an empty rule, everything")
	}
}

func TestHeadersThatKeepImagesOut(t *testing.T) {
	for _, c := range []struct {
		headers []string
		want    string
	}{
		{nil, ""}, {[]string{"all"}, ""}, {[]string{"nofollow, NoAI"}, "noai"}, {[]string{"none"}, "none"}, {[]string{"", "noindex"}, "noindex"},
		{[]string{"otherbot: noindex, noai"}, ""}, {[]string{"otherbot: noai", "TextGround: noimageai"}, "noimageai"},
		{[]string{"unavailable_after: 25 Jun 2030 15:00:00 PST"}, ""},
	} {
		if got := optedOut(c.headers, "textground"); got != c.want {
			t.Errorf("%q: %q", c.headers, got)
		}
	}
}

func TestCrawlDelayIsReadForWhomItIsMeant(t *testing.T) {
	const text = "User-agent: *\nCrawl-delay: 7\nDisallow: /x\n\nUser-agent: textground\nUser-agent: otherbot\ncrawl-delay: 0.25 # seconds\nDisallow:\nCrawl-Delay: 0.5\n\n" +
		"User-agent: a\nCrawl-delay: soon\nCrawl-delay: -3\nCrawl-delay: NaN\nUser-agent: b\nDisallow: /\nUser-agent: c\nCrawl-delay: 1e300\n"
	for agent, want := range map[string]time.Duration{"textground": time.Second / 2, "otherbot": time.Second / 2, "somebody": 7 * time.Second, "a": 0, "b": 0, "c": 1e9 * time.Second} {
		if got := parseRobots(text, agent).delay; got != want {
			t.Errorf("%s: %s, want %s", agent, got, want)
		}
	}
	if parseRobots(text, "a").allows("/") {
		t.Error("Crawl-delay ended the list of agents that a rule is for")
	}
}

func FuzzRobots(f *testing.F) {
	f.Add("User-agent: *\nDisallow: /a*b$\nAllow: /", "/axb")
	f.Add("user-agent:textground\r\ndisallow:*", "/")
	f.Add("user-agent: *\ncrawl-delay: 1e-9", "/")
	f.Fuzz(func(t *testing.T, text, path string) {
		rules := parseRobots(text, "textground")
		if len(rules.rules) > robotsRules {
			t.Fatalf("%d rules", len(rules.rules))
		}
		if rules.delay < 0 {
			t.Fatalf("wait %s", rules.delay)
		}
		rules.allows(path)
		optedOut([]string{text}, "textground")
	})
}
