package index_test

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"larder/builder/fetch"
	"larder/builder/pypi/index"
	"larder/builder/pypi/pypitest"
)

// quick makes waiting short; everything else is as in use.
var quick = index.Options{Limits: fetch.Limits{RetryBase: time.Millisecond, RetryMax: 2 * time.Millisecond, MaxRetryAfter: 50 * time.Millisecond}}

// impatient shortens the limits where a fault is about to run into them, and
// only there: a busy machine must not look like a slow server.
func impatient(c *index.Config, o *index.Options, f pypitest.Fault) {
	if f.Hang || f.Drip > 0 {
		c.Timeout, o.StallTime = 300*time.Millisecond, 200*time.Millisecond
	}
}

func newClient(t testing.TB, config index.Config, options index.Options) *index.Client {
	t.Helper()
	c, err := index.New(config, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func client(t testing.TB, s *pypitest.Index, options index.Options) *index.Client {
	t.Helper()
	config := index.Config{Indexes: []string{s.AuthURL()}, Access: fetch.Access{Retries: 2}}
	if s.CA != nil {
		config.CABundles = []string{s.CA.File}
	}
	return newClient(t, config, options)
}

func wheel(name, version string) (string, []byte) {
	w := pypitest.Wheel{Name: name, Version: version}
	return w.Filename(), w.Bytes()
}

func add(s *pypitest.Index, name string, versions ...string) {
	for _, v := range versions {
		file, data := wheel(name, v)
		s.AddFile(name, pypitest.Artifact{Name: file, Data: data, RequiresPython: ">=3.8", UploadTime: time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)})
	}
}

// check asserts an error: its kind, words it must have, one line, a hint or not.
func check(t testing.TB, err, kind error, words ...string) {
	t.Helper()
	if err == nil || !errors.Is(err, kind) {
		t.Fatalf("got %v, want an error that is %q", err, kind)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Fatalf("%q does not say %q", err, w)
		}
	}
	if strings.ContainsAny(err.Error(), "\n\r") || strings.HasSuffix(err.Error(), ".") {
		t.Fatalf("not one line without a full stop: %q", err)
	}
}

func hint(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

func TestProjectForms(t *testing.T) {
	for name, o := range map[string]pypitest.Options{
		"json": {}, "html": {HTMLOnly: true}, "mirror": {Mirror: true}, "gzip": {Gzip: true}, "gzip html": {Gzip: true, HTMLOnly: true}, "tls": {TLS: true},
		"user": {User: "someone", Password: "s3cret:@/ %"},
	} {
		t.Run(name, func(t *testing.T) {
			s := pypitest.NewIndex(t, o)
			add(s, "My.Demo", "1.0", "1.1")
			c := client(t, s, quick)
			p, err := c.Project(t.Context(), "my_DEMO")
			if err != nil {
				t.Fatal(err)
			}
			if p.Name != "my-demo" || len(p.Files) != 2 {
				t.Fatalf("%+v", p)
			}
			f := p.Files[1]
			wantSize := o != (pypitest.Options{}) && (o.HTMLOnly || o.Mirror)
			if f.RequiresPython != ">=3.8" || (f.Size == -1) != wantSize || f.Metadata == o.Mirror ||
				(f.MetadataSHA256 == "") != o.Mirror || f.Index != strings.TrimSuffix(s.URL(), "") {
				t.Fatalf("%+v", f)
			}
			var to memory
			if n, err := c.Fetch(t.Context(), f, &to); err != nil || n != int64(len(to.b)) || n == 0 {
				t.Fatal(n, err)
			}
			if b, err := c.FetchMetadata(t.Context(), f); err != nil || !strings.Contains(string(b), "Version: 1.1") {
				t.Fatalf("%q %v", b, err)
			}
			if n, err := c.Size(t.Context(), f); err != nil || n != int64(len(to.b)) {
				t.Fatal(n, err)
			}
			var sent int64
			for _, r := range s.Requests() {
				if !strings.HasPrefix(r.Header.Get("User-Agent"), "larder") {
					t.Fatalf("user agent %q", r.Header.Get("User-Agent"))
				}
				sent += r.Bytes
			}
			if st := c.Stats(); st.Requests != int64(len(s.Requests())) || st.Bytes != sent {
				t.Fatalf("%+v, the server sent %d bytes in %d", st, sent, len(s.Requests()))
			}
		})
	}
}

// TestPageFaults is the list of what an index can answer for a page.
func TestPageFaults(t *testing.T) {
	for name, c := range map[string]struct {
		fault pypitest.Fault
		kind  error
		words []string
		asked int // requests for the page
		hint  string
	}{
		"404":           {pypitest.Fault{Status: 404}, index.ErrNotFound, []string{"read page of demo", "status 404 not found"}, 1, ""},
		"410":           {pypitest.Fault{Status: 410}, index.ErrNotFound, []string{"410"}, 1, ""},
		"403":           {pypitest.Fault{Status: 403}, index.ErrRefused, []string{"the index refuses it", "status 403"}, 1, "ask who runs the index"},
		"451":           {pypitest.Fault{Status: 451}, index.ErrRefused, []string{"the index refuses it"}, 1, "ask who"},
		"400":           {pypitest.Fault{Status: 400}, index.ErrRefused, []string{"400"}, 1, ""},
		"401":           {pypitest.Fault{Status: 401}, index.ErrUnreachable, []string{"401 unauthorized"}, 1, "netrc"},
		"500":           {pypitest.Fault{Status: 500}, index.ErrUnreachable, []string{"500 internal server error"}, 3, "try again later"},
		"501":           {pypitest.Fault{Status: 501}, index.ErrUnreachable, []string{"501"}, 1, ""},
		"503":           {pypitest.Fault{Status: 503}, index.ErrUnreachable, []string{"503"}, 3, "later"},
		"408":           {pypitest.Fault{Status: 408}, index.ErrUnreachable, []string{"408"}, 3, ""},
		"429":           {pypitest.Fault{Status: 429, RetryAfter: "1"}, index.ErrUnreachable, []string{"429 too many requests"}, 3, "fewer"},
		"304 uncached":  {pypitest.Fault{Status: 304}, index.ErrUnreachable, []string{"neither success nor error"}, 1, ""},
		"204":           {pypitest.Fault{Status: 204}, index.ErrUnreachable, []string{"neither success nor error"}, 1, ""},
		"loop":          {pypitest.Fault{Redirect: "/simple/demo/?secret=1"}, index.ErrUnreachable, []string{"more than 10 redirects"}, 11, ""},
		"to file":       {pypitest.Fault{Redirect: "file:///etc/passwd"}, index.ErrRefused, []string{"redirect to file:///etc/passwd", `scheme "file"`}, 1, ""},
		"to ftp":        {pypitest.Fault{Redirect: "ftp://someone:secret@h.example/"}, index.ErrRefused, []string{`scheme "ftp"`}, 1, ""},
		"to nothing":    {pypitest.Fault{Redirect: "http://"}, index.ErrRefused, []string{"no host"}, 1, ""},
		"to no URL":     {pypitest.Fault{Redirect: "http://u:secret@h\x01/%zz"}, index.ErrUnreachable, []string{"not proper http"}, 3, ""},
		"to half":       {pypitest.Fault{Redirect: "http://u:secret@h/%zz"}, index.ErrRefused, []string{"no URL"}, 1, ""},
		"cut":           {pypitest.Fault{Cut: true, CutAfter: 40}, index.ErrUnreachable, []string{"the connection was cut"}, 3, "network"},
		"cut at once":   {pypitest.Fault{Cut: true}, index.ErrUnreachable, nil, 3, ""},
		"cut, no end":   {pypitest.Fault{Cut: true, CutAfter: 300, NoLength: true, ContentType: "text/html", Body: "<html><body>" + strings.Repeat(`<a href="demo-1.0.tar.gz">demo</a>`, 30) + "</body></html>"}, index.ErrUnreachable, []string{"cut"}, 3, ""},
		"html":          {pypitest.Fault{Body: "<html>hello</html>"}, index.ErrPage, []string{"html where json was promised"}, 1, "index-url"},
		"error page":    {pypitest.Fault{Body: "<html>hello</html>", ContentType: "text/html"}, index.ErrPage, []string{"error or login page"}, 1, "index-url"},
		"wrong type":    {pypitest.Fault{ContentType: "application/octet-stream"}, index.ErrPage, []string{"application/octet-stream"}, 1, "index-url"},
		"other project": {pypitest.Fault{Body: `{"name":"demo-x","files":[]}`}, index.ErrRefused, []string{`"demo-x"`}, 1, ""},
		"large":         {pypitest.Fault{Pad: 3 << 20}, index.ErrPage, []string{"larger than 1048576 bytes"}, 1, ""},
		"large, no end": {pypitest.Fault{Pad: 3 << 20, NoLength: true}, index.ErrPage, []string{"larger than 1048576 bytes"}, 1, ""},
		"encoding":      {pypitest.Fault{Encoding: "br"}, index.ErrPage, []string{`"br" was not asked for`}, 1, ""},
		"no gzip":       {pypitest.Fault{Encoding: "gzip"}, index.ErrPage, []string{"unpack page"}, 1, ""},
		"drip":          {pypitest.Fault{Drip: 20 * time.Millisecond}, index.ErrUnreachable, []string{"too slowly"}, 3, "later"},
		"hang":          {pypitest.Fault{Hang: true}, index.ErrUnreachable, []string{"(3 tries)"}, 3, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := pypitest.NewIndex(t, pypitest.Options{})
			add(s, "demo", "1.0")
			s.Fault(s.PagePath("demo"), c.fault)
			o := quick
			o.MaxPage = 1 << 20
			config := index.Config{Indexes: []string{s.URL()}, Access: fetch.Access{Retries: 2}}
			impatient(&config, &o, c.fault)
			_, err := newClient(t, config, o).Project(t.Context(), "demo")
			check(t, err, c.kind, append(c.words, "127.0.0.1")...)
			if strings.Contains(err.Error(), "secret") {
				t.Fatalf("told a secret: %v", err)
			}
			if !strings.Contains(hint(err), c.hint) {
				t.Fatalf("hint %q, want %q", hint(err), c.hint)
			}
			if n := len(s.Requests()); n != c.asked {
				t.Fatalf("asked %d times, want %d", n, c.asked)
			}
		})
	}
}

// TestPageRecovers: one fault, then a good answer.
func TestPageRecovers(t *testing.T) {
	for name, f := range map[string]pypitest.Fault{
		"503": {Status: 503}, "429": {Status: 429, RetryAfter: "0"}, "cut": {Cut: true, CutAfter: 40}, "drip": {Drip: 50 * time.Millisecond}, "loop once": {Redirect: "/simple/demo/"},
	} {
		f.Times = 1
		s := pypitest.NewIndex(t, pypitest.Options{})
		add(s, "demo", "1.0")
		s.Fault(s.PagePath("demo"), f)
		o := quick
		impatient(&index.Config{}, &o, f)
		p, err := client(t, s, o).Project(t.Context(), "demo")
		if err != nil || len(p.Files) != 1 || len(s.Requests()) != 2 {
			t.Errorf("%s: %v %v, %d requests", name, p, err, len(s.Requests()))
		}
	}
}

// TestRetryAfter: the pause is kept for the whole host, and capped.
func TestRetryAfter(t *testing.T) {
	s := pypitest.NewIndex(t, pypitest.Options{})
	add(s, "demo", "1.0")
	add(s, "other", "1.0")
	s.Fault(s.PagePath("demo"), pypitest.Fault{Status: 429, RetryAfter: "3600", Times: 1})
	o := quick
	o.MaxRetryAfter = 300 * time.Millisecond
	c := client(t, s, o)
	start := time.Now()
	done := make(chan error)
	go func() {
		_, err := c.Project(t.Context(), "demo")
		done <- err
	}()
	for len(s.Requests()) == 0 {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(20 * time.Millisecond)
	if _, err := c.Project(t.Context(), "other"); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(start); d < 280*time.Millisecond || d > 3*time.Second {
		t.Fatalf("the other request went out after %v", d)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestBadProjectNames(t *testing.T) {
	s := pypitest.NewIndex(t, pypitest.Options{})
	c := client(t, s, quick)
	for _, name := range []string{"", "../../etc", "a/b", "a b", "--x", "-", "é", "a\n", strings.Repeat("x", 10_000), "demo?x=1", "%2e%2e"} {
		_, err := c.Project(t.Context(), name)
		check(t, err, index.ErrRefused, "not a project name")
		if len(err.Error()) > 500 {
			t.Errorf("long error: %d", len(err.Error()))
		}
	}
	if len(s.Requests()) != 0 {
		t.Fatal("asked the index for a bad name")
	}
}

// TestSeveralIndexes joins as pip does.
func TestSeveralIndexes(t *testing.T) {
	first, second := pypitest.NewIndex(t, pypitest.Options{}), pypitest.NewIndex(t, pypitest.Options{Mirror: true})
	add(first, "demo", "1.0", "2.0")
	add(second, "demo", "2.0", "3.0")
	add(second, "only", "1.0")
	add(first, "barred", "1.0")
	c := newClient(t, index.Config{Indexes: []string{first.URL(), second.URL()}}, quick)
	names := func(project string) string {
		t.Helper()
		p, err := c.Project(t.Context(), project)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, f := range p.Files {
			from := "1"
			if f.Index == second.URL() && strings.HasPrefix(f.URL, strings.TrimSuffix(second.URL(), "simple/")) {
				from = "2"
			}
			out = append(out, strings.Split(f.Filename, "-")[1]+"@"+from)
		}
		return strings.Join(out, " ")
	}
	if got := names("demo"); got != "2.0@2 3.0@2 1.0@1" {
		t.Fatal(got)
	}
	if got := names("only"); got != "1.0@2" {
		t.Fatal(got)
	}
	first.Fault(first.PagePath("only"), pypitest.Fault{Status: 403})
	if got := names("only"); got != "1.0@2" {
		t.Fatal(got)
	}
	_, err := c.Project(t.Context(), "nobody")
	check(t, err, index.ErrNotFound)
	first.Fault(first.PagePath("nobody"), pypitest.Fault{Status: 403})
	_, err = c.Project(t.Context(), "nobody")
	check(t, err, index.ErrRefused, "403")
	// An index that is down decides nothing silently.
	second.Fault(second.PagePath("barred"), pypitest.Fault{Status: 500})
	_, err = c.Project(t.Context(), "barred")
	check(t, err, index.ErrUnreachable, "500")
	// The same name with other bytes: both stay, pip's choice first.
	file, data := wheel("both", "1.0")
	first.AddFile("both", pypitest.Artifact{Name: file, Data: data})
	second.AddFile("both", pypitest.Artifact{Name: file, Data: append([]byte("#"), data...)})
	if got := names("both"); got != "1.0@2 1.0@1" {
		t.Fatal(got)
	}
}

// TestSameChoiceAsPip: of one file at two indexes pip must fetch the URL that
// comes first in Files.
func TestSameChoiceAsPip(t *testing.T) {
	first, second := pypitest.NewIndex(t, pypitest.Options{}), pypitest.NewIndex(t, pypitest.Options{})
	add(first, "demo", "1.0")
	add(second, "demo", "1.0")
	p, err := newClient(t, index.Config{Indexes: []string{first.URL(), second.URL()}}, quick).Project(t.Context(), "demo")
	if err != nil || len(p.Files) != 1 {
		t.Fatal(p, err)
	}
	first.Reset()
	second.Reset()
	cmd := exec.Command("python3", "-m", "pip", "download", "--no-deps", "--no-cache-dir", "-d", t.TempDir(), "demo")
	cmd.Dir = t.TempDir()
	cmd.Env = append(first.Env(), "PIP_EXTRA_INDEX_URL="+second.URL(), "PIP_TRUSTED_HOST=127.0.0.1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	got := append(first.Wheels(), second.Wheels()...)
	if len(got) != 1 || !strings.HasSuffix(p.Files[0].URL, got[0].Path) || len(second.Wheels()) != 1 || p.Files[0].Index != second.URL() {
		t.Fatalf("pip took %+v, we take %s", got, p.Files[0].URL)
	}
}

func TestBadConfig(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct {
		config index.Config
		words  string
	}{
		"none":        {index.Config{}, "no index"},
		"empty":       {index.Config{Indexes: []string{""}}, "not of the form"},
		"words":       {index.Config{Indexes: []string{"my index"}}, "not of the form"},
		"secret":      {index.Config{Indexes: []string{"https://u:secret@h:port/x"}}, "not of the form"},
		"file":        {index.Config{Indexes: []string{"file:///srv/index"}}, "scheme file is not supported"},
		"ftp":         {index.Config{Indexes: []string{"ftp://u:secret@h/x"}}, `scheme "ftp"`},
		"plain":       {index.Config{Indexes: []string{"http://u:secret@index.example/simple"}}, "plain http and its host is not trusted"},
		"no bundle":   {index.Config{Indexes: []string{"https://h/"}, Access: fetch.Access{CABundles: []string{filepath.Join(dir, "none.pem")}}}, "read certificates"},
		"bad bundle":  {index.Config{Indexes: []string{"https://h/"}, Access: fetch.Access{CABundles: []string{"client_test.go"}}}, "certificates"},
		"empty dir":   {index.Config{Indexes: []string{"https://h/"}, Access: fetch.Access{CABundles: []string{dir}}}, "no certificate in"},
		"no client":   {index.Config{Indexes: []string{"https://h/"}, Access: fetch.Access{ClientCert: filepath.Join(dir, "none.pem")}}, "client certificate"},
		"bad client":  {index.Config{Indexes: []string{"https://h/"}, Access: fetch.Access{ClientCert: "project_test.go"}}, "client certificate"},
		"bad proxy":   {index.Config{Indexes: []string{"https://h/"}, Access: fetch.Access{Proxy: fetch.ProxyFor("http://u:secret@h:port")}}, "the proxy is not a URL"},
		"proxy kind":  {index.Config{Indexes: []string{"https://h/"}, Access: fetch.Access{Proxy: fetch.ProxyFor("gopher://u:secret@h")}}, `scheme "gopher"`},
		"netrc alone": {index.Config{Indexes: nil, Access: fetch.Access{Retries: -1}}, "no index"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := index.New(c.config, index.Options{})
			check(t, err, index.ErrConfig, c.words)
			if strings.Contains(err.Error()+hint(err), "secret") {
				t.Fatalf("told a secret: %v", err)
			}
		})
	}
}

func TestCancel(t *testing.T) {
	s := pypitest.NewIndex(t, pypitest.Options{})
	add(s, "demo", "1.0")
	s.Fault(s.PagePath("demo"), pypitest.Fault{Hang: true})
	c := client(t, s, quick)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(30*time.Millisecond, cancel)
	start := time.Now()
	_, err := c.Project(ctx, "demo")
	if !errors.Is(err, context.Canceled) || errors.Is(err, index.ErrUnreachable) || time.Since(start) > 2*time.Second {
		t.Fatal(err, time.Since(start))
	}
	// Our own limit is not the caller's cancellation.
	o := quick
	o.PageTime = 50 * time.Millisecond
	_, err = client(t, s, o).Project(t.Context(), "demo")
	check(t, err, index.ErrUnreachable, "it took too long")
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		t.Fatalf("%v looks like the caller's", err)
	}
}

// TestWaitingInLine: the time a call waits for its turn is not the index's.
func TestWaitingInLine(t *testing.T) {
	s := pypitest.NewIndex(t, pypitest.Options{})
	add(s, "demo", "1.0")
	o := quick
	o.Jobs, o.PageTime = 1, time.Second
	c := client(t, s, o)
	var wg sync.WaitGroup
	for _, name := range []string{"slow1", "slow2"} {
		s.Fault(s.PagePath(name), pypitest.Fault{Hang: true})
		wg.Go(func() {
			if _, err := c.Project(t.Context(), name); !errors.Is(err, index.ErrUnreachable) || !strings.Contains(err.Error(), "it took too long") {
				t.Error(err)
			}
		})
	}
	for s.Active() == 0 {
		time.Sleep(time.Millisecond)
	}
	if _, err := c.Project(t.Context(), "demo"); err != nil {
		t.Error(err)
	}
	wg.Wait()
}

// TestJobs: never more requests under way than allowed.
func TestJobs(t *testing.T) {
	s := pypitest.NewIndex(t, pypitest.Options{})
	o := quick
	o.Jobs = 3
	c := client(t, s, o)
	done := make(chan error, 12)
	for i := range 12 {
		name := fmt.Sprintf("demo%d", i)
		add(s, name, "1.0")
		s.Fault(s.PagePath(name), pypitest.Fault{Drip: 500 * time.Microsecond})
		go func() {
			_, err := c.Project(t.Context(), name)
			done <- err
		}()
	}
	most := 0
	for left := 12; left > 0; {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			left--
		case <-time.After(5 * time.Millisecond):
			most = max(most, s.Active())
		}
	}
	if most < 2 || most > 3 {
		t.Fatalf("%d requests at once, want 3", most)
	}
}
