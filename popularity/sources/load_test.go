package sources

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"larder/builder/fetch"
	"larder/popularity"
	"larder/snapshot/pypi"
)

// monthly is the published form, cut to three rows; the numbers are ours.
const monthly = `{"last_update":"2026-04-01 06:34:06","rows":[{"download_count":300,"project":"boto3"},{"download_count":200,"project":"flask"},{"download_count":100,"project":"six"}]}`

func names(r popularity.Ranking) []string {
	var out []string
	for _, e := range r.Entries {
		out = append(out, e.Project)
	}
	return out
}

func list(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "project-%d\n", i)
	}
	return b.String()
}

func load(t *testing.T, opts Options, sources ...string) (popularity.Ranking, string, error) {
	t.Helper()
	opts.Of = pypi.Ecosystem
	r, warnings, err := Load(t.Context(), sources, opts)
	var text []string
	for _, w := range warnings {
		text = append(text, w.String())
	}
	return r, strings.Join(text, "\n"), err
}

// withWeb asks as larder does, with pauses too short to wait for, and keeps answers in a
// directory.
func withWeb(t *testing.T, dir string, opts Options) Options {
	t.Helper()
	opts.Of = pypi.Ecosystem
	client, err := fetch.New(fetch.Options{Limits: fetch.Limits{RetryBase: 1, RetryMax: 1}, Access: fetch.Access{Retries: 2}, MaxRedirects: 5, PlainHTTP: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	k := fetch.Keeper{Client: client}
	if dir != "" {
		k.Cache = fetch.NewCache(dir, 0)
		k.Cache.Now = opts.now
	}
	opts.Web = k
	return opts
}

func TestLoadFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	a, b, c := write("a", "x\ny\nz\n"), write("b", "y\nx\nz\n"), write("c", "spike\ny\nx\nz")
	r, warned, err := load(t, Options{}, a, b, c)
	if err != nil || warned != "" || strings.Join(names(r), " ") != "y x z" || len(r.Origins) != 3 {
		t.Errorf("%v %v %v", r, warned, err)
	}
	html := write("html", "<html>")
	// A source that fails is named and the others go on.
	r, warned, err = load(t, Options{}, html, a, filepath.Join(dir, "absent"))
	if err != nil || strings.Join(names(r), " ") != "x y z" {
		t.Errorf("%v %v", r, err)
	}
	if !strings.Contains(warned, html+": left out: an HTML or XML page") || !strings.Contains(warned, "absent: left out: no such file") {
		t.Errorf("warned %q", warned)
	}
	big := write("big", "")
	if err := os.Truncate(big, 1<<30); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		sources []string
		want    string
	}{
		{[]string{html}, "an HTML or XML page"},
		{[]string{filepath.Join(dir, "absent")}, "no such file or directory"},
		{[]string{dir}, "a directory"},
		{[]string{big}, "larger than 64 MiB"},
		{[]string{"ftp://files.example/x"}, "not a path and not http"},
		{[]string{"http://"}, "not an address"},
		{[]string{write("p", "x"), write("q", "y")}, "no project in common"},
	} {
		_, _, err := load(t, withWeb(t, "", Options{}), tc.sources...)
		if !errors.Is(err, popularity.ErrRefused) || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: got %v, want %q", tc.sources, err, tc.want)
		}
		var hinted interface{ Hint() string }
		if !errors.As(err, &hinted) || hinted.Hint() == "" {
			t.Errorf("%q: no hint", tc.sources)
		}
	}
	// Two different lists are not months of one ranking: say so.
	_, warned, _ = load(t, Options{}, write("mine", "x\nown-1\nown-2\n"), a)
	if !strings.Contains(warned, "2 of its 3 projects") {
		t.Errorf("warned %q", warned)
	}
}

// An unchanged file costs one conditional request and no body.
func TestLoadConditional(t *testing.T) {
	var full, conditional atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"v1"`)
		if r.Header.Get("If-None-Match") == `"v1"` {
			conditional.Add(1)
			w.WriteHeader(http.StatusNotModified)
			return
		}
		full.Add(1)
		_, _ = w.Write([]byte(monthly))
	}))
	defer srv.Close()
	now := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	dir := filepath.Join(t.TempDir(), "cache")
	opts := withWeb(t, dir, Options{Now: func() time.Time { return now }})
	for i := range 3 {
		now = now.Add(time.Hour)
		r, warned, err := load(t, opts, srv.URL)
		if err != nil || warned != "" || len(r.Entries) != 3 || !r.Origins[0].Fetched.Equal(now) {
			t.Fatalf("run %d: %+v %q %v", i, r, warned, err)
		}
	}
	if full.Load() != 1 || conditional.Load() != 2 {
		t.Errorf("%d full and %d conditional requests, want 1 and 2", full.Load(), conditional.Load())
	}
	// A damaged copy is none: asked for again, whole.
	files, _ := filepath.Glob(filepath.Join(dir, "*", "*"))
	if len(files) != 1 {
		t.Fatalf("cache holds %q", files)
	}
	data, _ := os.ReadFile(files[0])
	if err := os.WriteFile(files[0], data[:len(data)-5], 0o600); err != nil {
		t.Fatal(err)
	}
	if r, _, err := load(t, opts, srv.URL); err != nil || len(r.Entries) != 3 || full.Load() != 2 {
		t.Errorf("after damage: %v, %d full requests", err, full.Load())
	}
}

// What an address last said stands in for what it says no more.
func TestLoadLastGoodAnswer(t *testing.T) {
	var serve atomic.Value
	serve.Store(func(w http.ResponseWriter) { _, _ = w.Write([]byte(list(100))) })
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		serve.Load().(func(http.ResponseWriter))(w)
	}))
	defer srv.Close()
	now := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	opts := withWeb(t, t.TempDir(), Options{Now: func() time.Time { return now }})
	if _, _, err := load(t, opts, srv.URL); err != nil {
		t.Fatal(err)
	}
	now = now.Add(9 * 24 * time.Hour)
	for name, tc := range map[string]struct {
		serve func(http.ResponseWriter)
		want  string
	}{
		"server error": {func(w http.ResponseWriter) { w.WriteHeader(503) }, "answers 503 Service Unavailable; using its answer of 9 days ago"},
		"error page":   {func(w http.ResponseWriter) { _, _ = w.Write([]byte("<html>")) }, "an HTML or XML page, not a ranking; using its answer of 9 days ago"},
		"nine tenths gone": {func(w http.ResponseWriter) { _, _ = w.Write([]byte(list(9))) },
			"9 projects where there were 100; using its answer of 9 days ago"},
		"cut short": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "100000")
			_, _ = w.Write([]byte(list(100)))
		}, "cut short; using its answer"},
	} {
		serve.Store(tc.serve)
		r, warned, err := load(t, opts, srv.URL)
		if err != nil || len(r.Entries) != 100 || !r.Origins[0].Stale || !strings.Contains(warned, tc.want) {
			t.Errorf("%s: %d entries, %q, %v", name, len(r.Entries), warned, err)
		}
	}
	serve.Store(func(w http.ResponseWriter) { _, _ = w.Write([]byte(list(9))) })
	forced := opts
	forced.Force = true
	if r, _, err := load(t, forced, srv.URL); err != nil || len(r.Entries) != 9 || r.Origins[0].Stale {
		t.Errorf("forced: %v, %d entries", err, len(r.Entries))
	}
	if r, warned, err := load(t, opts, srv.URL); err != nil || len(r.Entries) != 9 || warned != "" {
		t.Errorf("after it was forced: %d entries, %q, %v", len(r.Entries), warned, err)
	}
}

func TestLoadHostileServer(t *testing.T) {
	mux := http.NewServeMux()
	srv := httptest.NewServer(mux)
	defer srv.Close()
	mux.HandleFunc("/loop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/loop", http.StatusFound) })
	mux.HandleFunc("/file", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "file:///etc/passwd")
		w.WriteHeader(http.StatusFound)
	})
	mux.HandleFunc("/html", func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte("<!doctype html>")) })
	mux.HandleFunc("/large", func(w http.ResponseWriter, r *http.Request) {
		line := bytes.Repeat([]byte("some-project\n"), 1<<12)
		for {
			if _, err := w.Write(line); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("/drip", func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			_, _ = w.Write([]byte("a"))
			w.(http.Flusher).Flush()
			time.Sleep(20 * time.Millisecond)
		}
	})
	for path, want := range map[string]struct {
		kind error
		text string
	}{
		"/loop":  {popularity.ErrUnreachable, "more than 5 redirects"},
		"/file":  {popularity.ErrUnreachable, `scheme "file" is not http or https`},
		"/html":  {popularity.ErrRefused, "an HTML or XML page"},
		"/large": {popularity.ErrRefused, "larger than 64 MiB"},
		"/drip":  {popularity.ErrUnreachable, "no whole answer within"},
	} {
		dir := t.TempDir()
		opts := withWeb(t, dir, Options{})
		if path == "/drip" {
			opts.Timeout = 300 * time.Millisecond
		}
		_, _, err := open(t.Context(), srv.URL+path, opts)
		if !errors.Is(err, want.kind) || !strings.Contains(err.Error(), want.text) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v", path, err)
		}
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("%s: kept %v", path, left)
		}
	}
}

func TestLoadInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { cancel(); <-r.Context().Done() }))
	defer srv.Close()
	if _, _, err := Load(ctx, []string{srv.URL}, withWeb(t, "", Options{})); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestLoadFutureDate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.json")
	if err := os.WriteFile(path, []byte(monthly), 0o600); err != nil {
		t.Fatal(err)
	}
	opts := Options{Now: func() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }}
	if r, warned, err := load(t, opts, path); err != nil || len(r.Entries) != 3 || !strings.Contains(warned, "2026-04-01, is in the future") {
		t.Errorf("%q %v", warned, err)
	}
}

// Neither messages nor what is kept on disk hold a password or a token.
func TestCredentialsStayHidden(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, pass, _ := r.BasicAuth(); user != "bob" || pass != "s3cret" || r.URL.Query().Get("token") != "t0ken" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		if strings.HasSuffix(r.URL.Path, "/good") {
			_, _ = w.Write([]byte(monthly))
			return
		}
		_, _ = w.Write([]byte("<html>"))
	}))
	defer srv.Close()
	host := strings.TrimPrefix(srv.URL, "http://")
	dir := t.TempDir()
	var said strings.Builder
	for _, address := range []string{
		"http://bob:s3cret@" + host + "/good?token=t0ken#t0ken",
		"http://bob:s3cret@" + host + "/bad?token=t0ken",
		"http://bob:s3cret@127.0.0.1:1/x?token=t0ken",
		"http://bob:s3cret@[::bad/x?token=t0ken",
		"http://bob:s3cret@two@" + host + "/x?token=t0ken",
		"ftp://bob:s3cret@" + host + "/x?token=t0ken",
	} {
		r, warnings, err := Load(t.Context(), []string{address}, withWeb(t, dir, Options{}))
		fmt.Fprintln(&said, r.Origins, warnings, err)
	}
	if !strings.Contains(said.String(), srv.URL+"/good") {
		t.Errorf("the good address was not read: %s", said.String())
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*", "*"))
	if len(files) == 0 {
		t.Error("nothing was kept")
	}
	for _, f := range files {
		data, _ := os.ReadFile(f)
		said.Write(data)
	}
	for _, secret := range []string{"s3cret", "t0ken", "bob"} {
		if strings.Contains(said.String(), secret) {
			t.Errorf("%q in:\n%s", secret, said.String())
		}
	}
}
