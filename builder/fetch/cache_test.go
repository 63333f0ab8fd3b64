package fetch

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// server answers with what is set, and tells what it was asked.
type server struct {
	*httptest.Server
	header http.Header
	body   string
	asked  http.Header
	status int // sent last
	client *Client
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{header: http.Header{}}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/to-query" {
			http.Redirect(w, r, "/x?token=secret", http.StatusFound)
			return
		}
		s.asked, s.status = r.Header, http.StatusOK
		for k, v := range s.header {
			w.Header()[k] = v
		}
		if e := s.header.Get("ETag"); e != "" && r.Header.Get("If-None-Match") == e {
			s.status = http.StatusNotModified
			w.WriteHeader(s.status)
			return
		}
		fmt.Fprint(w, s.body)
	}))
	t.Cleanup(s.Server.Close)
	c, err := New(Options{Limits: Limits{RetryBase: 1, RetryMax: 1}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	s.client = c
	return s
}

func (s *server) request(path string, c *Cache) Request {
	u, err := url.Parse(s.URL + path)
	if err != nil {
		panic(err)
	}
	return Request{Op: "get", Name: "x", URL: u, MaxBytes: 1 << 20, Cache: c}
}

func TestRoundTrip(t *testing.T) {
	dir := t.TempDir()
	c := NewCache(dir, 4000)
	s := newServer(t)
	get := func(r Request) *Answer {
		t.Helper()
		a, err := s.client.Get(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	kept := func(r Request, body string, header http.Header) bool {
		s.body, s.header = body, header
		get(r)
		return c.find(r.key(), 1<<20) != nil
	}
	r := s.request("/simple/demo/", c)
	etag := http.Header{"Etag": {`"x"`}}
	for what, h := range map[string]http.Header{"no validator": {}, "no-store": {"Etag": {"x"}, "Cache-Control": {"private, No-Store"}}} {
		if kept(r, "body", h) {
			t.Errorf("%s: kept", what)
		}
	}
	if kept(s.request("/x?token=1", c), "body", etag) || kept(s.request("/to-query", c), "body", etag) {
		t.Error("kept a URL with a query")
	}
	if kept(r, strings.Repeat("x", 1001), etag) {
		t.Error("kept an answer of more than a quarter of the cache")
	}
	refusing := r
	refusing.Use = func(*Answer) error { return errors.New("not good") }
	s.body = "bad"
	if _, err := s.client.Get(t.Context(), refusing); err == nil || c.find(r.key(), 1<<20) != nil {
		t.Error("kept what was refused")
	}
	if !kept(r, "line\nline", http.Header{"Etag": {`"v1"`}, "Last-Modified": {"then"}, "Content-Type": {"text/html"}}) {
		t.Fatal("not kept")
	}
	r.Cache = NewCache(dir, 4000)
	a := get(r)
	if s.status != http.StatusNotModified || string(a.Body) != "line\nline" || a.From.String() != r.URL.String() || a.Type != "text/html" || !a.Delimited {
		t.Fatalf("%d %+v", s.status, a)
	}
	if s.asked.Get("If-None-Match") != `"v1"` || s.asked.Get("If-Modified-Since") != "then" {
		t.Fatal(s.asked)
	}
	// A kept answer that Use refuses is asked for again, whole.
	picky := r
	picky.Use = func(a *Answer) error {
		if string(a.Body) == "line\nline" && s.status == http.StatusNotModified {
			return errors.New("not any more")
		}
		return nil
	}
	if get(picky); s.status != http.StatusOK || s.asked.Get("If-None-Match") != "" {
		t.Fatal(s.status, s.asked)
	}
	// One too large for a request is not read for it.
	r.MaxBytes = 5
	if c.find(r.key(), 5-maxHead) != nil {
		t.Fatal("read more than the request takes")
	}
}

// TestLast: the last good answer, and when it was said; its address has secrets.
func TestLast(t *testing.T) {
	dir := t.TempDir()
	c := NewCache(dir, 0)
	now := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	c.Now = func() time.Time { return now }
	s := newServer(t)
	s.body, s.header = "one", http.Header{"Etag": {`"1"`}, "Cache-Control": {"no-store"}}
	r := s.request("/answers?token=t0ken", c)
	r.URL.User, r.LastGood, r.Post = url.UserPassword("bob", "s3cret"), true, "question"
	if _, ok := c.Last(r); ok {
		t.Fatal("an answer before any")
	}
	for range 2 { // asked again, it says the same
		if a, err := s.client.Get(t.Context(), r); err != nil || a.Unkept != nil || string(a.Body) != "one" {
			t.Fatal(a, err)
		}
		if a, ok := c.Last(r); !ok || string(a.Body) != "one" || !a.Said.Equal(now) {
			t.Fatalf("%+v %v", a, ok)
		}
		now = now.Add(time.Hour)
	}
	other := r
	other.Post = "another question"
	if _, ok := c.Last(other); ok {
		t.Fatal("the answer to another question")
	}
	entries, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil || len(entries) != 1 {
		t.Fatal(entries, err)
	}
	b, err := os.ReadFile(entries[0])
	for _, secret := range []string{"t0ken", "bob", "s3cret"} {
		if err != nil || bytes.Contains(b, []byte(secret)) || strings.Contains(entries[0], secret) {
			t.Errorf("%q in %s: %q %v", secret, entries[0], b, err)
		}
	}
}

// TestUnwritable: a cache that cannot be written is an empty one, and says so.
func TestUnwritable(t *testing.T) {
	dir := t.TempDir()
	c := NewCache(dir, 0)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := newServer(t)
	s.body, s.header = "body", http.Header{"Etag": {"x"}}
	r := s.request("/simple/demo/", c)
	if a, err := s.client.Get(t.Context(), r); err != nil || a.Unkept == nil || string(a.Body) != "body" {
		t.Fatal(a, err)
	}
	if c.find(r.key(), 1<<20) != nil {
		t.Fatal("kept")
	}
}

func TestNil(t *testing.T) {
	s := newServer(t)
	s.body, s.header = "body", http.Header{"Etag": {"x"}}
	r := s.request("/simple/demo/", nil)
	if a, err := s.client.Get(t.Context(), r); err != nil || a.Unkept != nil {
		t.Fatal(a, err)
	}
	var c *Cache
	if _, ok := c.Last(r); ok {
		t.Fatal("nil keeps answers")
	}
}

// After damage anything may have the name of an answer: a pipe is not waited for.
func TestPipes(t *testing.T) {
	c := NewCache(t.TempDir(), 0)
	const key = "https://index.example/simple/demo/"
	path := c.path(key)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), syscall.Mkfifo(path, 0o600)); err != nil {
		t.Fatal(err)
	}
	if c.find(key, 1<<20) != nil {
		t.Error("an answer from a pipe")
	}
}
