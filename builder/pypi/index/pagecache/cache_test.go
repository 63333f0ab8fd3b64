package pagecache

import (
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func at(t *testing.T, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestRoundTrip(t *testing.T) {
	dir := t.TempDir()
	c, err := Open(dir, 1000)
	if err != nil {
		t.Fatal(err)
	}
	u := at(t, "https://index.example/simple/demo/")
	if c.Page(u) != nil {
		t.Fatal("a page before any was kept")
	}
	keep := func(from, body string, header http.Header) bool {
		w := c.Writer(u, at(t, from), header)
		if w != nil {
			w.Write([]byte(body[:len(body)/2]))
			w.Write([]byte(body[len(body)/2:]))
		}
		w.Commit()
		return c.Page(u) != nil
	}
	for what, h := range map[string]http.Header{"no validator": {}, "no-store": {"Etag": {"x"}, "Cache-Control": {"private, No-Store"}}} {
		if keep(u.String(), "body", h) {
			t.Errorf("%s: kept", what)
		}
	}
	if keep(u.String()+"?token=1", "body", http.Header{"Etag": {"x"}}) {
		t.Error("kept a URL with a query")
	}
	if keep(u.String(), strings.Repeat("x", 251), http.Header{"Etag": {"x"}}) {
		t.Error("kept a page of more than a quarter of the cache")
	}
	if !keep("https://other.example/d/", "line\nline", http.Header{"Etag": {`"v1"`}, "Last-Modified": {"then"}, "Content-Type": {"text/html"}, "Content-Encoding": {"gzip"}}) {
		t.Fatal("not kept")
	}
	again, err := Open(dir, 1000)
	if err != nil {
		t.Fatal(err)
	}
	p := again.Page(u)
	if p == nil || p.URL != "https://other.example/d/" || p.Type != "text/html" || p.Encoding != "gzip" {
		t.Fatalf("%+v", p)
	}
	if b, err := p.Body(); err != nil || string(b) != "line\nline" {
		t.Fatalf("%q %v", b, err)
	}
	h := http.Header{}
	p.Ask(h)
	if h.Get("If-None-Match") != `"v1"` || h.Get("If-Modified-Since") != "then" {
		t.Fatal(h)
	}
	// Another process writes another version between Page and Body.
	if !keep(u.String(), "new", http.Header{"Etag": {`"v2"`}}) {
		t.Fatal("not kept")
	}
	if _, err := p.Body(); err == nil {
		t.Fatal("the old head took the new body")
	}
	c.Drop(u)
	if c.Page(u) != nil {
		t.Fatal("dropped and still there")
	}
}

// TestUnwritable: a cache that cannot be written is an empty one.
func TestUnwritable(t *testing.T) {
	dir := t.TempDir()
	c, err := Open(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	u := at(t, "https://index.example/simple/demo/")
	w := c.Writer(u, u, http.Header{"Etag": {"x"}})
	w.Write([]byte("body"))
	w.Commit()
	c.PutSize("https://index.example/f", 5)
	if c.Page(u) != nil {
		t.Fatal("kept")
	}
	if n, ok := c.Size("https://index.example/f"); !ok || n != 5 {
		t.Fatal("not even remembered in memory")
	}
}

func TestNil(t *testing.T) {
	var c *Cache
	u := at(t, "https://index.example/simple/demo/")
	if c.Page(u) != nil || c.Writer(u, u, http.Header{"Etag": {"x"}}) != nil {
		t.Fatal("nil keeps pages")
	}
	c.PutSize("x", 1)
	if _, ok := c.Size("x"); ok {
		t.Fatal("nil keeps sizes")
	}
}

func TestSizesBound(t *testing.T) {
	dir := t.TempDir()
	c, err := Open(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	c.PutSize("https://files.example/a", 7)
	path := filepath.Join(dir, "sizes")
	b, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(b), "files.example") || !strings.HasSuffix(string(b), " 7\n") {
		t.Fatalf("%q %v", b, err)
	}
	if err := os.Truncate(path, maxSizes+1); err != nil {
		t.Fatal(err)
	}
	c, _ = Open(dir, 0)
	if _, ok := c.Size("https://files.example/a"); ok {
		t.Fatal("read a file of sizes that is too large")
	}
	c.PutSize("https://files.example/b", 8)
	if info, err := os.Stat(path); err != nil || info.Size() > 100 {
		t.Fatal(info.Size(), err)
	}
}

// After damage anything may have the name of a remembered file: a pipe is not waited for.
func TestPipes(t *testing.T) {
	dir := t.TempDir()
	c, err := Open(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	u := at(t, "https://index.example/simple/demo/")
	for _, path := range []string{c.path(u), filepath.Join(dir, "sizes")} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), syscall.Mkfifo(path, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if c.Page(u) != nil {
		t.Error("a page from a pipe")
	}
	if _, ok := c.Size("https://files.example/a"); ok {
		t.Error("a size from a pipe")
	}
}
