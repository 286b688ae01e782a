package ingest

import "testing"

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

func FuzzRobots(f *testing.F) {
	f.Add("User-agent: *\nDisallow: /a*b$\nAllow: /", "/axb")
	f.Add("user-agent:textground\r\ndisallow:*", "/")
	f.Fuzz(func(t *testing.T, text, path string) {
		rules := parseRobots(text, "textground")
		if len(rules.rules) > robotsRules {
			t.Fatalf("%d rules", len(rules.rules))
		}
		rules.allows(path)
		optedOut([]string{text}, "textground")
	})
}
