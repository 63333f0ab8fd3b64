package fetch

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// TestPostRedirects: a POST stays one where the redirect says so, and the body goes no
// further where it does not.
func TestPostRedirects(t *testing.T) {
	var said []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		said = append(said, r.Method+" "+r.URL.Path+" "+string(b))
		switch r.URL.Path {
		case "/303":
			http.Redirect(w, r, "/end", http.StatusSeeOther)
		case "/307":
			http.Redirect(w, r, "/end", http.StatusTemporaryRedirect)
		}
	}))
	defer srv.Close()
	c, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, path := range []string{"/303", "/307"} {
		u, _ := url.Parse(srv.URL + path)
		if _, err := c.Get(t.Context(), Request{URL: u, Post: "q", MaxBytes: 10}); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(said, ", "); got != "POST /303 q, GET /end , POST /307 q, POST /end q" {
		t.Error(got)
	}
}

// TestUserOfAddress: the user in an address is for its origin, and shown to nobody.
func TestUserOfAddress(t *testing.T) {
	var far string
	handler := func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if r.URL.Path == "/away" {
			http.Redirect(w, r, far, http.StatusFound)
			return
		}
		fmt.Fprint(w, user, ":", password)
	}
	near, other := httptest.NewServer(http.HandlerFunc(handler)), httptest.NewServer(http.HandlerFunc(handler))
	defer near.Close()
	defer other.Close()
	c, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	get := func(path string) string {
		u, _ := url.Parse(near.URL + path)
		u.User = url.UserPassword("bob", "s3cret")
		a, err := c.Get(t.Context(), Request{Op: "get", Name: "x", URL: u, MaxBytes: 100})
		if err != nil {
			t.Fatal(err)
		}
		if a.From.User != nil {
			t.Error("the answer's address has the user")
		}
		return string(a.Body)
	}
	if got := get("/"); got != "bob:s3cret" {
		t.Errorf("at its origin: %q", got)
	}
	if far = near.URL + "/"; get("/away") != "bob:s3cret" {
		t.Error("lost at a redirect to its origin")
	}
	if far = other.URL + "/"; get("/away") != ":" {
		t.Error("sent to another origin")
	}
}

// sink is a download's file.
type sink struct{ bytes.Buffer }

func (s *sink) Truncate() error { s.Reset(); return nil }

// TestHash: a download is compared by the algorithm that its digest is of, and the message names it.
func TestHash(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "text") }))
	defer server.Close()
	c, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range []Hash{{}, {"sha512", sha512.New}} {
		sum := sha512.Sum512([]byte("text"))
		f := File{Name: "x", URL: u, Digest: hex.EncodeToString(sum[:]), Hash: h, Size: -1, MaxBytes: 100}
		if h.New == nil {
			sum := sha256.Sum256([]byte("text"))
			f.Digest = hex.EncodeToString(sum[:])
		}
		var s sink
		if n, err := c.Download(t.Context(), f, &s); err != nil || n != 4 || s.String() != "text" {
			t.Errorf("%s: %d %q, %v", h.Name, n, s.String(), err)
		}
		f.Digest = f.Digest[1:]
		if _, err := c.Download(t.Context(), f, &s); !errors.Is(err, ErrHash) || !strings.Contains(err.Error(), cmp.Or(h.Name, "sha256")+" is ") {
			t.Errorf("%s: %v", h.Name, err)
		}
	}
}

// TestRetry: what is repeated, how often, and what is said of it.
func TestRetry(t *testing.T) {
	bad := errors.New("bad")
	for name, tc := range map[string]struct {
		retries int
		once    func(n int) error
		calls   int
		want    string
	}{
		"good":            {2, func(int) error { return nil }, 1, ""},
		"for good":        {2, func(int) error { return bad }, 1, "bad"},
		"never better":    {2, func(int) error { return &temporary{error: bad} }, 3, "bad (3 tries)"},
		"no retries":      {0, func(int) error { return &temporary{error: bad} }, 1, "bad"},
		"below zero":      {-1, func(int) error { return &temporary{error: bad} }, 1, "bad"},
		"better":          {2, func(n int) error { return map[bool]error{true: &temporary{error: bad}}[n < 3] }, 3, ""},
		"answered":        {1, func(int) error { return &temporary{error: &Error{Op: "get", Name: "x", Kind: bad}} }, 2, "get x: bad"},
		"progress counts": {1, func(n int) error { return &temporary{error: bad, progress: n < 5} }, 5, "bad (2 tries)"},
	} {
		c := &Client{options: Options{Access: Access{Retries: tc.retries}, Limits: Limits{RetryBase: 1, RetryMax: 1}}}
		n := 0
		err := c.retry(t.Context(), func() error { n++; return tc.once(n) })
		if n != tc.calls || (err == nil) != (tc.want == "") || err != nil && err.Error() != tc.want {
			t.Errorf("%s: %d calls, %v", name, n, err)
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	c := &Client{options: Options{Access: Access{Retries: 9}, Limits: Limits{RetryBase: time.Hour, RetryMax: time.Hour}}}
	time.AfterFunc(10*time.Millisecond, func() { cancel(bad) })
	if err := c.retry(ctx, func() error { return &temporary{error: ErrCut} }); err != bad {
		t.Errorf("stopped while it waits: %v", err)
	}
}
