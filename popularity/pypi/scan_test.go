package pypi

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/tinylib/msgp/msgp"

	"larder/popularity/misses"
	"larder/snapshot/ecosystem"
)

func TestMain(m *testing.M) {
	ecosystem.Register(ecosystem.Ecosystem{Name: "pypi", Leftovers: Leftovers{}})
	os.Exit(m.Run())
}

// pipEntry is an entry as pip writes it: by formats seen, not by readEntry.
func pipEntry(body []byte, headers map[string]string) []byte {
	b := []byte("cc=4,")
	b = msgp.AppendMapHeader(b, 2)
	b = msgp.AppendString(b, "response")
	b = msgp.AppendMapHeader(b, 6)
	b = msgp.AppendString(b, "body")
	b = msgp.AppendBytes(b, body)
	b = msgp.AppendString(b, "headers")
	b = msgp.AppendMapHeader(b, uint32(len(headers)))
	for k, v := range headers {
		b = msgp.AppendString(b, k)
		b = msgp.AppendString(b, v)
	}
	b = msgp.AppendString(b, "status")
	b = msgp.AppendInt(b, 200)
	b = msgp.AppendString(b, "version")
	b = msgp.AppendInt(b, 11)
	b = msgp.AppendString(b, "reason")
	b = msgp.AppendNil(b)
	b = msgp.AppendString(b, "decode_content")
	b = msgp.AppendBool(b, false)
	b = msgp.AppendString(b, "vary")
	return msgp.AppendMapHeader(b, 0)
}

func fileHeaders(project, version, python string) map[string]string {
	return map[string]string{"Content-Type": "application/octet-stream", "Age": strings.Repeat("9", 400),
		"X-PyPI-File-Project": project, "x-pypi-file-version": version, "x-pypi-file-python-version": python, "x-pypi-file-package-type": "bdist_wheel"}
}

var hashes int

// hash is a new name for an entry, in its place.
func hash(cache string) string {
	hashes++
	h := fmt.Sprintf("%056x", hashes*7919)
	return filepath.Join(cache, h[0:1], h[1:2], h[2:3], h[3:4], h[4:5], h)
}

func write(t *testing.T, root, path string, data []byte) {
	t.Helper()
	path = filepath.Join(root, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func scanOf(t *testing.T, dir string, limits misses.Limits) ([]string, misses.Found) {
	t.Helper()
	found, err := misses.Scan(t.Context(), dir, limits)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range found.Misses {
		out = append(out, strings.TrimSpace(m.Kind+" "+m.Project+" "+m.Version+" "+m.Target))
	}
	return out, found
}

const zipBody = "PK\x03\x04rest of a wheel"

func TestScanClients(t *testing.T) {
	dir := t.TempDir()
	v2 := func(root string, body string, headers map[string]string) {
		name := hash(root + "/http-v2")
		write(t, dir, name, pipEntry(nil, headers))
		write(t, dir, name+".body", []byte(body))
	}
	v2("pip", zipBody, fileHeaders("Flask", "3.1.0", "py3"))
	v2("pip", "\x1f\x8bsdist", fileHeaders("some.sdist", "1.0", "source"))
	v2("pip", "Metadata-Version: 2.1\n", fileHeaders("metadata-only", "1.0", "py3"))
	v2("pip", `{"files":[]}`, map[string]string{"Content-Type": "application/vnd.pypi.simple.v1+json"})
	write(t, dir, hash("pip/http"), pipEntry([]byte(zipBody+strings.Repeat("x", 100_000)), fileHeaders("numpy", "1.26.4", "cp311")))
	write(t, dir, hash("pip/http"), pipEntry([]byte("Metadata-Version: 2.1\n"), fileHeaders("metadata-only", "2.0", "py3")))
	write(t, dir, "pip/wheels/ab/cd/ef/0123/odd_name-1.0-1-cp39-cp39-linux_x86_64.whl", []byte(zipBody))
	write(t, dir, "pip/wheels/ab/cd/ef/0123/origin.json", []byte("{}"))
	write(t, dir, "uv/wheels-v6/pypi/orjson/3.10.1-cp312-cp312-manylinux_2_17_x86_64.http", nil)
	write(t, dir, "uv/wheels-v6/pypi/orjson/3.10.1-cp312-cp312-manylinux_2_17_x86_64.msgpack", nil)
	write(t, dir, "uv/wheels-v6/index/0123456789abcdef/private-thing/1.0-py3-none-any.http", nil)
	write(t, dir, "uv/archive-v0/abcdef/inner/wheels-v6/pypi/hidden/1.0-py3-none-any.http", nil)
	write(t, dir, "poetry/01/23/45/"+strings.Repeat("6789abcdef", 6)[:58]+"/of_poetry-1.0-py3-none-any.whl", nil)
	write(t, dir, "poetry/01/23/45/"+strings.Repeat("6789abcdef", 6)[:58]+"/of_poetry-2.0.tar.gz", nil)
	write(t, dir, "poetry/01/23/no/"+strings.Repeat("6789abcdef", 6)[:58]+"/elsewhere-1.0-py3-none-any.whl", nil)
	site := "venv/lib/python3.11/site-packages/"
	write(t, dir, site+"attrs-23.1.0.dist-info/METADATA", nil)
	write(t, dir, site+"pip-23.2.1.dist-info/METADATA", nil)
	write(t, dir, site+"local-1.0.dist-info/METADATA", nil)
	write(t, dir, site+"local-1.0.dist-info/direct_url.json", nil)
	write(t, dir, site+"copied_up-1.0.dist-info/INSTALLER", nil)
	write(t, dir, site+"attr/deep-1.0.dist-info/METADATA", nil)
	got, found := scanOf(t, dir, misses.Limits{})
	want := []string{"installed attrs 23.1.0 3.11", "downloaded flask 3.1.0", "downloaded numpy 1.26.4 3.11", "built odd-name 1.0 3.9",
		"downloaded of-poetry 1.0", "downloaded orjson 3.10.1 3.12", "downloaded private-thing 1.0", "downloaded some-sdist 1.0"}
	if !slices.Equal(got, want) || found.Stopped != "" {
		t.Errorf("found %q (%s), want %q", got, found.Stopped, want)
	}
}

// Whatever an upper holds, the scan ends, opens nothing it should not, and what
// it returns are names.
func TestScanHostile(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	write(t, outside, "lib/python3.11/site-packages/outside-1.0.dist-info/METADATA", nil)
	name := hash("http-v2")
	write(t, outside, name, pipEntry(nil, fileHeaders("outside", "1.0", "")))
	write(t, outside, name+".body", []byte(zipBody))
	link := func(target, path string) {
		t.Helper()
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, path); err != nil {
			t.Fatal(err)
		}
	}
	// Links: to a cache, to an entry, to a body, to a dist-info, in a circle.
	link(outside, "escape")
	link(filepath.Join(outside, "http-v2"), "http-v2")
	link(filepath.Join(outside, name), "http/a/"+filepath.Base(name))
	lone := hash("http")
	write(t, dir, lone, pipEntry(nil, fileHeaders("body-is-a-link", "1.0", "")))
	link(filepath.Join(outside, name+".body"), lone+".body")
	link(filepath.Join(outside, "lib/python3.11/site-packages/outside-1.0.dist-info"), "lib/python3.11/site-packages/linked-1.0.dist-info")
	link(filepath.Join(outside, "lib"), "lib64")
	link(".", "circle")
	// FIFOs where files are expected: opening one would wait for ever.
	for _, path := range []string{hash("http"), "fifo", "wheels-v6/pypi/x/1.0-py3-none-any.http", "wheels/fifo-1.0-py3-none-any.whl", "lib/python3.11/site-packages/fifo-1.0.dist-info/METADATA"} {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if os.Geteuid() == 0 { // only root makes devices; an entry that is one, and a body
		withDevice := hash("http")
		write(t, dir, withDevice, pipEntry(nil, fileHeaders("body-is-a-device", "1.0", "")))
		for _, path := range []string{hash("http"), withDevice + ".body"} {
			path = filepath.Join(dir, path)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := syscall.Mknod(path, syscall.S_IFCHR|0o600, 1<<8|5); err != nil { // /dev/zero: endless if it were read
				t.Fatal(err)
			}
		}
	}
	withFIFO := hash("http")
	write(t, dir, withFIFO, pipEntry(nil, fileHeaders("body-is-a-fifo", "1.0", "")))
	if err := syscall.Mkfifo(filepath.Join(dir, withFIFO+".body"), 0o600); err != nil {
		t.Fatal(err)
	}
	// Lying headers, and entries that are none.
	for _, bad := range []string{"../../etc", "--index-url=x", "a\nb", "", strings.Repeat("a", 300), "\x1b[31m", "a/b"} {
		write(t, dir, hash("http"), pipEntry([]byte(zipBody), fileHeaders(bad, "1.0", "py3")))
		write(t, dir, hash("http"), pipEntry([]byte(zipBody), fileHeaders("flask", bad, "py3")))
	}
	for _, bad := range []string{"", "cc=4,", "cc=2,xx", "cc=4,\xdf\xff\xff\xff\xff", "cc=4,\x81\xdb\xff\xff\xff\xff", "cc=4,\x81\xa8response\x81\xa4body\xc6\xff\xff\xff\xff",
		"cc=4,\x81\xa1x" + strings.Repeat("\x91", 5000), "cc=4,\x81\xa1x\xdd\xff\xff\xff\xff" + strings.Repeat("\xc0", 5000), "cc=4,\xc1"} {
		write(t, dir, hash("http"), []byte(bad))
	}
	// Ten gigabytes that are not there, in an entry and beside it.
	sparse := hash("http")
	write(t, dir, sparse, append([]byte("cc=4,\x81\xa8response\x82\xa4body\xc6\xff\xff\x00\x00"), zipBody...))
	if err := os.Truncate(filepath.Join(dir, sparse), 10<<30); err != nil {
		t.Fatal(err)
	}
	// Names that are not names, and depth.
	write(t, dir, "wheels/..-1.0-py3-none-any.whl", nil)
	write(t, dir, "wheels/a-b-c.whl", nil)
	write(t, dir, "wheels-v6/pypi/-e/1.0-py3-none-any.http", nil)
	write(t, dir, "lib/python3.11/site-packages/-r-1.0.dist-info/METADATA", nil)
	write(t, dir, strings.Repeat("d/", 200)+"site-packages/deep-1.0.dist-info/METADATA", nil)
	write(t, dir, "lib/python3.11/site-packages/good-1.0.dist-info/METADATA", nil)
	unreadable := filepath.Join(dir, "unreadable")
	if err := os.Mkdir(unreadable, 0); err != nil {
		t.Fatal(err)
	}
	got, found := scanOf(t, dir, misses.Limits{})
	if want := []string{"installed good 1.0 3.11"}; !slices.Equal(got, want) || found.Stopped != "" {
		t.Errorf("found %q (%s), want %q", got, found.Stopped, want)
	}
	if _, err := misses.Scan(t.Context(), filepath.Join(dir, "escape"), misses.Limits{}); err == nil {
		t.Error("an upper that is a symbolic link is read")
	}
}
