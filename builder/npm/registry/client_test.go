package registry_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"larder/builder/fetch"
	"larder/builder/npm/npmtest"
	"larder/builder/npm/registry"
)

type sink struct{ bytes.Buffer }

func (s *sink) Truncate() error { s.Reset(); return nil }

func client(t *testing.T, c registry.Config, o registry.Options) *registry.Client {
	t.Helper()
	o.RetryBase, o.RetryMax = time.Millisecond, time.Millisecond
	x, err := registry.New(c, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(x.Close)
	return x
}

var (
	one = npmtest.Package{Name: "one", Version: "1.0.0"}
	two = npmtest.Package{Name: "@corp/two", Version: "2.0.0"}
)

// A scope has a registry of its own, with a login of its own, which goes nowhere else.
func TestScopes(t *testing.T) {
	public, private := npmtest.NewRegistry(t, one), npmtest.NewRegistry(t, two)
	private.Want("Bearer t0ken")
	c := registry.Config{Registry: public.URL(), Scopes: map[string]string{"@corp": private.URL()}}
	get := func(c registry.Config, p npmtest.Package) error {
		x := client(t, c, registry.Options{})
		releases, errs, err := x.Releases(t.Context(), p.Name, []string{p.Version})
		if err != nil || errs[0] != nil {
			return errors.Join(append(errs, err)...)
		}
		var s sink
		if err := x.Fetch(t.Context(), registry.Tarball{Filename: "x", URL: releases[0].URL, Sum: releases[0].Sum, Size: -1}, &s); err != nil {
			return err
		}
		if !bytes.Equal(s.Bytes(), p.Tarball()) || releases[0].Sum.String() != p.Integrity() {
			t.Errorf("%s: other bytes", p.Name)
		}
		return nil
	}
	if err := get(c, two); !errors.Is(err, registry.ErrUnreachable) || !strings.Contains(err.Error(), "401") {
		t.Error(err)
	}
	u, err := url.Parse(private.URL())
	if err != nil {
		t.Fatal(err)
	}
	c.Credentials.AddBelow(u, "Bearer t0ken")
	for _, p := range []npmtest.Package{one, two} {
		if err := get(c, p); err != nil {
			t.Error(err)
		}
	}
	if log := fmt.Sprint(private.Requests()); log != "[GET /@corp%2ftwo GET /@corp%2ftwo GET /@corp/two/-/two-2.0.0.tgz]" {
		t.Error(log)
	}
	public.Want("nothing")
	if err := get(c, one); err == nil || strings.Contains(err.Error(), "t0ken") {
		t.Errorf("the login of another registry: %v", err)
	}
}

// Answers are kept: what has not changed costs one small one. They may be packed, and not without bound.
func TestAnswers(t *testing.T) {
	r := npmtest.NewRegistry(t, one)
	c := registry.Config{Registry: r.URL(), Access: fetch.Access{Retries: 2}}
	cached := registry.Options{Cache: fetch.NewCache(t.TempDir(), 0)}
	var cost int64
	for range 2 {
		x := client(t, c, cached)
		if _, errs, err := x.Releases(t.Context(), "one", []string{"1.0.0", "9.9.9"}); err != nil || errs[0] != nil || !errors.Is(errs[1], registry.ErrNotFound) {
			t.Fatal(errs, err)
		}
		cost = x.Stats().Bytes
	}
	if cost != 0 {
		t.Errorf("%d bytes for what has not changed", cost)
	}
	pack := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(npmtest.Gzip([]byte(text)))
		}
	}
	plain := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }
	}
	good := `{"name":"one","versions":{"1.0.0":{"dist":{"integrity":"` + one.Integrity() + `","tarball":"one.tgz"}}}}`
	for name, a := range map[string]struct {
		answer http.HandlerFunc
		says   string
	}{
		"packed":    {pack(good), ""},
		"a bomb":    {pack(good[:len(good)-1] + strings.Repeat(" ", 1<<20) + "}"), "the answer is larger than 65536 bytes"},
		"too large": {plain(strings.Repeat(" ", 1<<17)), "the answer is larger than 65536 bytes"},
		"not packed": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			fmt.Fprint(w, good)
		}, gzip.ErrHeader.Error()},
		"packed otherwise": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "br")
			fmt.Fprint(w, good)
		}, `the encoding "br"`},
		"half":            {plain(good[:60]), "not a registry's answer"},
		"deep":            {plain(strings.Repeat("[", 20_000)), "not a registry's answer"},
		"of another kind": {plain(`{"name":"one","versions":[]}`), "not a registry's answer"},
		"away by a redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		}, `scheme "file"`},
	} {
		r.Fault("/one", a.answer)
		_, errs, err := client(t, c, registry.Options{MaxPackument: 1 << 16}).Releases(t.Context(), "one", []string{"1.0.0"})
		if a.says == "" && (err != nil || errs[0] != nil) || a.says != "" && (err == nil || !strings.Contains(err.Error(), a.says) || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%s: %v %v, want %s", name, errs, err, a.says)
		}
	}
	if _, _, err := client(t, c, registry.Options{}).Releases(t.Context(), "../one", nil); !errors.Is(err, registry.ErrRefused) {
		t.Error(err)
	}
}

// A download that is cut goes on, and one that is too large ends.
func TestFetch(t *testing.T) {
	r := npmtest.NewRegistry(t, one)
	c := registry.Config{Registry: r.URL(), Access: fetch.Access{Retries: 3}}
	x := client(t, c, registry.Options{})
	releases, _, err := x.Releases(t.Context(), "one", []string{"1.0.0"})
	if err != nil {
		t.Fatal(err)
	}
	tarball := registry.Tarball{Filename: "one-1.0.0.tgz", URL: releases[0].URL, Sum: releases[0].Sum, Size: -1}
	cuts := 0
	r.Fault(npmtest.TarballPath(one), func(w http.ResponseWriter, req *http.Request) {
		if cuts++; cuts == 1 {
			w.Header().Set("Content-Length", fmt.Sprint(len(one.Tarball())))
			w.Write(one.Tarball()[:20])
			panic(http.ErrAbortHandler)
		}
		http.ServeContent(w, req, "", time.Time{}, bytes.NewReader(one.Tarball()))
	})
	var s sink
	if err := x.Fetch(t.Context(), tarball, &s); err != nil || !bytes.Equal(s.Bytes(), one.Tarball()) || cuts != 2 {
		t.Errorf("%d tries, %d bytes, %v", cuts, s.Len(), err)
	}
	if n, err := x.Size(t.Context(), tarball); err != nil || n != int64(len(one.Tarball())) {
		t.Errorf("%d, %v", n, err)
	}
	s.Reset()
	if err := client(t, c, registry.Options{MaxTarball: 10}).Fetch(t.Context(), tarball, &s); !errors.Is(err, registry.ErrRefused) {
		t.Error(err)
	}
}
