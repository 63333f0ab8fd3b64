package repository

import (
	"bytes"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"larder/builder/fetch"
	"larder/builder/maven/maventest"
	"larder/builder/maven/settings"
)

const jar = "org/corp/left/1.0+b/left-1.0+b.jar"

// sink is memory.
type sink struct{ bytes.Buffer }

func (s *sink) Truncate() error { s.Reset(); return nil }

func client(t *testing.T, c settings.Config, o Options) *Client {
	t.Helper()
	c.Retries = -1
	got, err := New(c, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(got.Close)
	return got
}

// A file comes with its strongest checksum, from a repository that wants a login, and no further than it may.
func TestFetch(t *testing.T) {
	r := maventest.NewRepository(t)
	r.Put(jar, []byte("left"))
	r.Sums("sha1", "sha512")
	const login = "bob:s3cret"
	r.Want("Basic " + base64.StdEncoding.EncodeToString([]byte(login)))
	config := settings.Config{Repository: r.URL() + "/"}
	u, err := url.Parse(r.URL())
	if err != nil {
		t.Fatal(err)
	}
	stranger := client(t, config, Options{})
	if _, err := stranger.Checksum(t.Context(), jar); !errors.Is(err, ErrUnreachable) || strings.Contains(err.Error(), "s3cret") {
		t.Error(err)
	}
	config.Credentials.Add(u, url.UserPassword("bob", "s3cret"))
	c := client(t, config, Options{})
	sum, err := c.Checksum(t.Context(), jar)
	if err != nil || sum.Algorithm() != "sha512" || sum.Hex() != maventest.Sum("sha512", []byte("left")) {
		t.Fatal(sum, err)
	}
	if has, err := c.Has(t.Context(), jar); !has || err != nil {
		t.Error(has, err)
	}
	if has, err := c.Has(t.Context(), jar+"x"); has || err != nil {
		t.Error(has, err)
	}
	if _, err := c.Checksum(t.Context(), jar+"x"); !errors.Is(err, ErrNoChecksum) || !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if c.URL(jar) != c.Root()+"/"+jar || c.Root() != r.URL() {
		t.Error(c.URL(jar), c.Root())
	}
	file := File{Name: "left.jar", URL: c.URL(jar), Sum: sum, Size: -1}
	var got sink
	if err := c.Fetch(t.Context(), file, &got); err != nil || got.String() != "left" {
		t.Errorf("%q, %v", got.String(), err)
	}
	small := client(t, config, Options{MaxFile: 3, MaxSmall: 3})
	if err := small.Fetch(t.Context(), file, &got); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "4 bytes are more than the 3 allowed") {
		t.Error(err)
	}
	if _, err := small.Get(t.Context(), jar); !errors.Is(err, ErrRefused) {
		t.Error(err)
	}
	// One that does not say how much it sends.
	r.Fault(jar, func(w http.ResponseWriter, _ *http.Request) {
		w.(http.Flusher).Flush()
		for range 100 {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	})
	got = sink{}
	if err := client(t, config, Options{MaxFile: 1 << 20}).Fetch(t.Context(), file, &got); !errors.Is(err, ErrHash) || !strings.Contains(err.Error(), "more than 1048576 bytes sent") || got.Len() > 1<<20 {
		t.Errorf("%d bytes, %v", got.Len(), err)
	}
}

func TestNew(t *testing.T) {
	for _, bad := range []string{"", "x", "file:///etc", "https://", "ftp://host/x", "http:opaque", "https://bob:s3cret@%zz/"} {
		if _, err := New(settings.Config{Repository: bad}, Options{}); !errors.Is(err, settings.ErrConfig) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	c := client(t, settings.Config{Repository: "https://bob:s3cret@host.example/maven2/?a=b#c", Access: fetch.Access{}}, Options{})
	if c.URL(jar) != "https://host.example/maven2/"+jar {
		t.Error(c.URL(jar))
	}
}
