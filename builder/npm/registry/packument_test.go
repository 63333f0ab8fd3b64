package registry_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"larder/builder/fetch"
	"larder/builder/npm/npmtest"
	"larder/builder/npm/registry"
)

// What is kept of a registry's answer is all that it says, as it was before it was packed, with what its client
// needs to ask again, and nothing of the login that it took.
func TestKeep(t *testing.T) {
	r := npmtest.NewRegistry(t, one, two)
	r.Want("Bearer t0ken")
	root, err := url.Parse(r.URL())
	if err != nil {
		t.Fatal(err)
	}
	c := registry.Config{Registry: strings.Replace(r.URL(), "://", "://user:t0ken@", 1)}
	c.Credentials.AddBelow(root, "Bearer t0ken")
	var said registry.Packument
	var text string
	kept := 0
	full := errors.New("full")
	options := registry.Options{Cache: fetch.NewCache(t.TempDir(), 0), MaxPackument: 64 << 10, Keep: func(s registry.Packument, body io.Reader) error {
		b, err := io.ReadAll(body)
		said, text, kept = s, string(b), kept+1
		if strings.Contains(text, `"full":`) {
			return full
		}
		return err
	}}
	x := client(t, c, options)
	get := func(name string) error {
		t.Helper()
		releases, _, err := x.Releases(t.Context(), name, []string{"2.0.0"})
		if all := fmt.Sprintf("%+v", said) + text + fmt.Sprint(releases); strings.Contains(all, "t0ken") {
			t.Errorf("%s: %s", name, all)
		}
		return err
	}
	if err := get("@corp/two"); err != nil {
		t.Fatal(err)
	}
	want := registry.Packument{Package: "@corp/two", URL: r.URL() + "@corp%2ftwo", Type: "application/json", ETag: `"1-all"`, Vary: "Accept", Fetched: int64(len(text))}
	if said != want || !strings.Contains(text, `"readme":"All of @corp/two"`) {
		t.Errorf("%+v, want %+v: %s", said, want, text)
	}
	first := text
	if err := get("@corp/two"); err != nil || said.Fetched != 0 || said.ETag != want.ETag || text != first {
		t.Errorf("once more: %v, %+v", err, said)
	}
	packed := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Header().Set("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
			w.Header().Add("Cache-Control", "public")
			w.Header().Add("Cache-Control", "max-age=300")
			w.Write(npmtest.Gzip([]byte(text)))
		}
	}
	plain := `{"name":"one","versions":{},"x":"` + strings.Repeat("x", 1000) + `"}`
	r.Fault("/one", packed(plain))
	if err := get("one"); err != nil || text != plain || said.Fetched == 0 || said.Fetched > 500 || said.CacheControl != "public, max-age=300" || said.LastModified == "" || said.ETag != "" {
		t.Errorf("packed: %v, %+v, %s", err, said, text)
	}
	before := kept
	for what, body := range map[string]string{
		"large": plain[:len(plain)-2] + strings.Repeat("y", 64<<10) + `"}`, "cut": plain[:100], "more": plain + "x", "another's": strings.Replace(plain, "one", "two", 1),
	} {
		r.Fault("/one", packed(body))
		if err := get("one"); !errors.Is(err, registry.ErrAnswer) || kept != before {
			t.Errorf("%s: %v", what, err)
		}
		r.Fault("/one", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) })
		if err := get("one"); err == nil || kept != before {
			t.Errorf("%s, as it is: %v", what, err)
		}
	}
	r.Fault("/one", packed(`{"name":"one","versions":{},"full":1}`))
	if err := get("one"); !errors.Is(err, full) {
		t.Error(err)
	}
}
