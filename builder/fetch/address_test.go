package fetch

import (
	"net/url"
	"testing"
)

func parse(t *testing.T, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestTrusted(t *testing.T) {
	hosts := []string{"a.example", " B.example:8080", "[::1]:443", "::2"}
	for raw, want := range map[string]bool{
		"https://a.example/": true, "http://A.EXAMPLE:99/": true, "https://a.example.evil.example/": false, "https://b.example/": false,
		"https://b.example:8080/": true, "https://[::1]/": true, "http://[::1]/": false, "https://[::2]:5/": true, "https:///": false,
	} {
		if got := Trusted(parse(t, raw), hosts); got != want {
			t.Errorf("%s: %v", raw, got)
		}
	}
	if Trusted(parse(t, "https:///"), []string{""}) {
		t.Error("an empty entry trusts a URL without a host")
	}
}

func TestPlaces(t *testing.T) {
	for raw, want := range map[string][2]bool{ // loopback, link-local
		"http://localhost/": {true, false}, "http://x.LOCALHOST./": {true, false}, "http://127.9.9.9/": {true, false}, "http://[::1]/": {true, false},
		"http://[::ffff:127.0.0.1]/": {true, false}, "http://0.0.0.0/": {true, false}, "http://[::]/": {true, false},
		"http://169.254.169.254/": {false, true}, "http://[fe80::1]/": {false, true}, "http://[::ffff:169.254.1.1]/": {false, true},
		"http://10.0.0.1/": {}, "http://localhost.example/": {}, "http://notlocalhost/": {},
	} {
		u := parse(t, raw)
		if got := [2]bool{loopback(u), linkLocal(u)}; got != want {
			t.Errorf("%s: %v", raw, got)
		}
		if PlainAllowed(u, nil) != want[0] || !PlainAllowed(u, []string{u.Hostname()}) {
			t.Errorf("%s: plain http", raw)
		}
	}
	if !PlainAllowed(parse(t, "https://index.example"), nil) {
		t.Error("https refused")
	}
}

func TestClean(t *testing.T) {
	for raw, want := range map[string]string{
		"https://u:p@h.example:1/a%2Fb/c?q=1#f": "https://h.example:1/a%2Fb/c", "https://token@h.example": "https://h.example",
	} {
		if got := Clean(parse(t, raw)); got != want {
			t.Errorf("%s: %s", raw, got)
		}
	}
	if Clean(nil) != "" {
		t.Error("nil")
	}
}

func TestCredentials(t *testing.T) {
	var c Credentials
	c.Add(parse(t, "https://H.example/a"), url.UserPassword("first", ""))
	c.Add(parse(t, "https://h.example:443/b"), url.UserPassword("second", ""))
	c.AddHost("h.example", "host", "")
	c.AddHost("N.example", "netrc", "")
	if c.String() != "3 credentials (hidden)" || c.GoString() != c.String() {
		t.Error(c.String())
	}
	find := func(raw string) string {
		if user := c.Find(parse(t, raw)); user != nil {
			return user.Username()
		}
		return ""
	}
	for raw, want := range map[string]string{
		"https://h.example/x": "first", "https://h.example:8443/": "host", "http://h.example/": "host", "https://n.example/": "netrc", "https://o.example/": "",
	} {
		if got := find(raw); got != want {
			t.Errorf("%s: %q", raw, got)
		}
	}
	copied := c.Clone()
	copied.Add(parse(t, "https://o.example"), url.User("late"))
	if find("https://o.example/") != "" {
		t.Error("a clone changed the original")
	}
	c.AddHost("default", "other", "")
	if find("https://o.example/") != "other" || c.String() != "4 credentials (hidden)" {
		t.Error("no default")
	}
}

// What an Authorization header holds counts for an address and what is below it, the longest first,
// before any user.
func TestHeaders(t *testing.T) {
	var c Credentials
	c.AddHost("h.example", "user", "pw")
	c.AddBelow(parse(t, "https://h.example/npm"), "Bearer npm")
	c.AddBelow(parse(t, "https://h.example/npm/private/"), "Bearer private")
	c.AddBelow(parse(t, "https://h.example/npm/"), "Bearer late")
	copied := c.Clone()
	copied.AddBelow(parse(t, "https://h.example"), "Bearer copied")
	if c.String() != "4 credentials (hidden)" {
		t.Error(c.String())
	}
	const user = "Basic dXNlcjpwdw=="
	for raw, want := range map[string]string{
		"https://H.example:443/npm": "Bearer npm", "https://h.example/npm/x?q": "Bearer npm", "https://h.example/npm/private/x": "Bearer private",
		"https://h.example/npmx": user, "https://h.example/": user, "http://h.example/npm/": user, "https://h.example:8443/npm/": user, "https://o.example/npm/": "",
	} {
		if got := c.Header(parse(t, raw)); got != want {
			t.Errorf("%s: %q, want %q", raw, got, want)
		}
	}
	if got := copied.Header(parse(t, "https://h.example/")); got != "Bearer copied" {
		t.Error(got)
	}
}

func TestProxyChoice(t *testing.T) {
	env := map[string]string{"http_proxy": "plain.example:3128", "HTTPS_PROXY": "http://secure.example:3128", "NO_PROXY": ".direct.example"}
	for raw, want := range map[string]string{
		"http://h.example/": "http://plain.example:3128", "https://h.example/": "http://secure.example:3128",
		"https://x.direct.example/": "", "http://localhost/": "", "http://127.0.0.1:5/": "",
	} {
		f, err := ProxyFromEnvironment(func(k string) string { return env[k] }).choose()
		if err != nil {
			t.Fatal(err)
		}
		got, err := f(parse(t, raw))
		if err != nil || (got == nil) != (want == "") || got != nil && got.String() != want {
			t.Errorf("%s: %v %v", raw, got, err)
		}
	}
	f, err := ProxyFor("proxy.example:1").choose()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := f(parse(t, "http://localhost/")); err != nil || got.String() != "http://proxy.example:1" {
		t.Error(got, err)
	}
	if (Proxy{}).String() != "no proxy" || ProxyFor("http://u:p@h").String() != "proxy (hidden)" || ProxyFor("http://u:p@h").GoString() != "proxy (hidden)" {
		t.Error("a proxy prints itself")
	}
}
