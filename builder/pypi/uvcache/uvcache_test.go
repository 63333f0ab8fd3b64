package uvcache

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"larder/snapshot"
	"larder/snapshot/image"
	"larder/snapshot/pypi"
)

func TestFind(t *testing.T) {
	dir := t.TempDir()
	script := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for path, want := range map[string]string{
		"/no/such/uv":                        "/no/such/uv is not there",
		dir:                                  "is not there",
		script("pip", "echo 'pip 1.0 (x)'"):  `is no uv: --version says "pip 1.0 (x)"`,
		script("fails", "exit 3"):            "exit status 3",
		script("silent", ""):                 `says ""`,
		script("odd", "printf 'uv\\033[2J'"): `\x1b[2J`,
	} {
		_, err := find(t.Context(), []string{path})
		var hinted interface{ Hint() string }
		if !errors.Is(err, ErrProgram) || !strings.Contains(err.Error(), want) || !errors.As(err, &hinted) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	got, err := find(t.Context(), []string{script("uv", "echo 'uv 0.9.30 (made)'")})
	if err != nil || len(got) != 1 || got[0].name != "uv 0.9.30" {
		t.Errorf("found %v, %v", got, err)
	}
}

// A full disk is the host's fault, and no wheel's; what else a uv says fits in a line.
func TestRunFails(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string]string{
		"echo 'error: failed to write: No space left on device (os error 28)' >&2; exit 2": "uv 1: no space left on device",
		"printf 'Using x\\nerror: no\\n  wheel' >&2; exit 2":                               "uv 1: exit status 2: error: no wheel",
	} {
		path := filepath.Join(dir, "uv")
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		c := call{program: program{path, "uv 1"}, dir: dir, cache: filepath.Join(dir, "cache")}
		if err := c.run(t.Context(), nil, "", ""); err == nil || err.Error() != want || errors.Is(err, unix.ENOSPC) != strings.Contains(want, "space") {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

const digest = "8abb2f1d86890a2dfb989f9a77cfcfd3e47c2a354b01111771326f8aa26e0254"

// made is a cache as a uv leaves it, of one wheel, with an archive of that name.
func made(t *testing.T, archive, pointer string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"CACHEDIR.TAG": "tag", ".gitignore": "*", ".lock": "", "interpreter-v4/x/y.msgpack": "host", "builds-v0/b": "",
		"archive-v0/" + archive + "/six.py": "code", "simple-v19/pypi/six.rkyv": "page", "sdists-v9/.git": "",
		"wheels-v5/pypi/six/1.16.0-py3-none-any.http": pointer, "wheels-v5/pypi/six/1.16.0-py3-none-any.lock": "",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(dir, "archive-v0", archive), filepath.Join(dir, "wheels-v5/pypi/six/1.16.0-py3-none-any")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func put(r io.Reader, exec bool) (snapshot.Object, int64, error) {
	text, err := io.ReadAll(r)
	return snapshot.Object{Digest: snapshot.Sum(text), Exec: exec}, int64(len(text)), err
}

// Two caches that differ in what is random are the same afterwards, and a second time changes nothing.
func TestTidy(t *testing.T) {
	held := contents{wheels: map[string]bool{digest: true}}
	var trees [][]image.Entry
	for _, archive := range []string{"6yPYwZUjLslGxAbx1DJg8", "eaYgZW2cC7QZZIxlzKFqG"} {
		dir := made(t, archive, "\x94\xb5"+archive+"8\x91\x92\xa6Sha256\xd9@"+digest+"\x00rest")
		for range 2 {
			if err := tidy(dir, "uv 1", held); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := os.Stat(filepath.Join(dir, "wheels-v5/pypi/six/1.16.0-py3-none-any/six.py")); err != nil {
			t.Error("the link is broken:", err)
		}
		entries, err := image.Import(os.DirFS(dir), put)
		if err != nil {
			t.Fatal(err)
		}
		trees = append(trees, entries)
	}
	if len(trees[0]) != len(trees[1]) {
		t.Fatalf("%v\n%v", trees[0], trees[1])
	}
	for i := range trees[0] {
		if trees[0][i] != trees[1][i] {
			t.Errorf("%v is not %v", trees[0][i], trees[1][i])
		}
		for _, gone := range []string{"lock", "interpreter", "builds"} {
			if strings.Contains(trees[0][i].Path, gone) {
				t.Errorf("%s is still there", trees[0][i].Path)
			}
		}
	}
	common, of := Split(trees[0])
	if len(common) != 3 || len(of) != 1 || len(of["six"]) != 4 {
		t.Errorf("common %v, of projects %v", common, of)
	}
}

func TestTidyRefuses(t *testing.T) {
	const archive = "6yPYwZUjLslGxAbx1DJg8"
	for name, dir := range map[string]string{
		"no digest":            made(t, archive, archive),
		"another digest":       made(t, archive, archive+strings.Repeat("0", 64)),
		"no name":              made(t, archive, digest),
		"the name twice":       made(t, archive, archive+archive+digest),
		"a short name":         made(t, "six", "six "+digest),
		"no unpacked wheel":    t.TempDir(),
		"nothing but its tags": func() string { d := t.TempDir(); os.WriteFile(d+"/CACHEDIR.TAG", nil, 0o644); return d }(),
	} {
		var form *errForm
		if err := tidy(dir, "uv 1", contents{wheels: map[string]bool{digest: true}}); !errors.As(err, &form) || !strings.HasPrefix(err.Error(), "uv 1 writes a cache of an unknown form: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestProjectOf(t *testing.T) {
	for path, want := range map[string]string{
		"wheels-v5/pypi/six/1.0.http": "six", "wheels-v8/index/0123456789abcdef/six/1.0.http": "six", "simple-v19/pypi/six.rkyv": "six",
		"simple-v28/index/0123456789abcdef/six.rkyv": "six", "sdists-v9/pypi/six/1.0/revision.http": "six", "sdists-v11/index/0123456789abcdef/six/1.0/a/six-1.0-py3-none-any.whl": "six", "CACHEDIR.TAG": "", "sdists-v9/.git": "", "wheels-v5": "", "wheels-v5/index/x": "",
	} {
		if got := projectOf(path); got != want {
			t.Errorf("projectOf(%q) = %q, want %q", path, got, want)
		}
	}
}

// A round has one version of each project, of one index and for one target.
func TestRounds(t *testing.T) {
	tag := func(text string) Target {
		tag, err := pypi.ParseTag(text)
		if err != nil {
			t.Fatal(err)
		}
		return Target{Tag: tag}
	}
	one, two := tag("cp311-manylinux_2_36_x86_64"), tag("cp312-musllinux_1_2_aarch64")
	all := rounds([]Wheel{{Project: "a", Version: "1", Target: one}, {Project: "a", Version: "2", Target: one}, {Project: "b", Target: one},
		{Project: "b", Target: two}, {Project: "b", Target: two, Index: "other"}})
	if len(all) != 4 || len(all[0].wheels) != 2 || len(all[1].wheels) != 1 {
		t.Errorf("rounds %v", all)
	}
	if got := platform(one.Tag) + " " + platform(two.Tag); got != "x86_64-manylinux_2_40 aarch64-unknown-linux-musl" {
		t.Error(got)
	}
	large := []Wheel{{Project: "a", Size: batchBytes}, {Project: "a", Size: batchBytes}, {Project: "b", Size: 1}}
	if parts := batches(large); len(parts) != 2 || len(parts[0]) != 2 || len(parts[1]) != 1 {
		t.Errorf("batches %v", parts)
	}
}

type readerAt interface {
	io.Reader
	io.ReaderAt
}

type closer struct{ readerAt }

func (closer) Close() error { return nil }

// The server answers for every host under its own name, to whoever has the password, and for nothing else.
func TestServer(t *testing.T) {
	s, err := newServer()
	if err != nil {
		t.Fatal(err)
	}
	defer s.stop()
	body := []byte("0123456789")
	s.offer(map[string][]indexFile{"https://index.example/simple/six": nil, "https://index.example/simple/six/": {{
		project: "six", filename: "six-1.0-py3-none-any.whl", url: "https://files.example/a%2Bb/six.whl", digest: digest, size: 10, hasMetadata: true,
		metadata: []byte("Name: six"), length: 10, open: func() (readSeekCloser, error) { return closer{bytes.NewReader(body)}, nil },
	}, {project: "six", filename: "six-0.9-py3-none-any.whl", url: "https://files.example/listed.whl", digest: digest}}})
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(s.authority.pem())
	client := func(proxy string) *http.Client {
		u, err := url.Parse(proxy)
		if err != nil {
			t.Fatal(err)
		}
		tr := &http.Transport{Proxy: http.ProxyURL(u), TLSClientConfig: &tls.Config{RootCAs: pool}}
		t.Cleanup(tr.CloseIdleConnections)
		return &http.Client{Transport: tr}
	}
	get := func(address, part string) (int, string, http.Header) {
		r, err := http.NewRequest("GET", address, nil)
		if err != nil {
			t.Fatal(err)
		}
		if part != "" {
			r.Header.Set("Range", part)
		}
		resp, err := client(s.url()).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(text), resp.Header
	}
	status, text, header := get("https://index.example/simple/six/", "")
	var page jsonPage
	if err := json.Unmarshal([]byte(text), &page); status != 200 || err != nil || page.Name != "six" || len(page.Files) != 2 || !page.Files[0].Metadata || header.Get("Cache-Control") != "max-age=0" {
		t.Errorf("page: %d %q %v", status, text, header)
	}
	for _, c := range []struct {
		address, part string
		status        int
		text          string
	}{
		{"https://files.example/a+b/six.whl", "", 200, "0123456789"},
		{"https://files.example/a%2Bb/six.whl", "bytes=2-4", 206, "234"},
		{"https://files.example/a+b/six.whl.metadata", "", 200, "Name: six"},
		{"https://files.example/other.whl", "", 404, ""},
		{"https://files.example/listed.whl", "", 404, ""},
		{"http://files.example/a+b/six.whl", "", 404, ""}, // another address
		{"https://other.example/simple/six/", "", 404, ""},
	} {
		status, text, _ := get(c.address, c.part)
		if status != c.status || c.text != "" && text != c.text {
			t.Errorf("%s %s: %d %q", c.address, c.part, status, text)
		}
	}
	if _, err := client(strings.Replace(s.url(), s.secret, "x", 1)).Get("https://index.example/simple/six/"); err == nil {
		t.Error("it serves without the password")
	}
}

func TestSaid(t *testing.T) {
	if got := said("Using Python\n  × Failed\n  ╰─▶ no\x20 wheel\n"); got != "× Failed ╰─▶ no wheel" {
		t.Errorf("%q", got)
	}
	if got := said("warning: x\nerror: " + strings.Repeat("long ", 200)); len(got) > 410 || !strings.HasPrefix(got, "error: ") {
		t.Errorf("%q", got)
	}
}
