package pypitest_test

import (
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"larder/builder/pypi/pypitest"
)

// pythons are the interpreters found here whose pip runs, by pip's version:
// as many generations as the machine has, at least one.
func pythons(t *testing.T) map[string]string {
	t.Helper()
	home, _ := os.UserHomeDir()
	found, _ := filepath.Glob(filepath.Join(home, ".pyenv/versions/3.*/bin/python"))
	found = append(found, "/usr/bin/python3", "python3")
	out := map[string]string{}
	for _, python := range found {
		cmd := exec.Command(python, "-c", "import pip; print(pip.__version__)")
		cmd.Dir = t.TempDir()
		b, err := cmd.Output()
		if version := strings.TrimSpace(string(b)); err == nil && out[version] == "" {
			out[version] = python
		}
	}
	if len(out) == 0 {
		t.Fatal("no interpreter with pip found: install python3-pip")
	}
	return out
}

// TestPip downloads from the index with real pips, in each form it serves,
// and then once more from pip's cache.
func TestPip(t *testing.T) {
	forms := map[string]pypitest.Options{
		"negotiated": {},
		"mirror":     {Mirror: true},
		"gzip":       {Gzip: true},
		"tls":        {TLS: true},
		"user":       {User: "someone", Password: "s3cret:@/"},
	}
	found := pythons(t)
	versions := slices.Sorted(maps.Keys(found)) // two-digit majors: order of strings will do
	for i, version := range versions {
		python := found[version]
		for form, options := range forms {
			if i > 0 && i < len(versions)-1 && form != "negotiated" {
				continue // everything with the oldest and the newest, a download with all
			}
			t.Run(version+"/"+form, func(t *testing.T) {
				t.Parallel()
				s := pypitest.NewIndex(t, options)
				s.Add(map[string][]byte{"demo_a-1.0-py3-none-any.whl": pypitest.Wheel{Name: "demo_a", Version: "1.0"}.Bytes(), "demo_a-1.1-py3-none-any.whl": pypitest.Wheel{Name: "demo_a", Version: "1.1"}.Bytes()})
				cache := t.TempDir()
				download := func() {
					t.Helper()
					dest := t.TempDir()
					cmd := exec.Command(python, "-m", "pip", "download", "--no-deps", "-d", dest, "--cache-dir", cache, "demo.a")
					cmd.Env = append(s.Env(), "HOME="+t.TempDir())
					cmd.Dir = dest
					if out, err := cmd.CombinedOutput(); err != nil {
						t.Fatalf("pip: %v\n%s", err, out)
					}
					if _, err := os.Stat(filepath.Join(dest, "demo_a-1.1-py3-none-any.whl")); err != nil {
						t.Fatal(err)
					}
				}
				download()
				if n := len(s.Wheels()); n != 1 {
					t.Fatalf("%d wheels downloaded, want 1: %+v", n, s.Requests())
				}
				s.Reset()
				download()
				want := 0
				if options.Mirror || strings.HasPrefix(version, "18.") && !options.TLS {
					want = 1 // pip keeps nothing without cache headers; old ones nothing from http
				}
				if n := len(s.Wheels()); n != want {
					t.Fatalf("%d wheels downloaded the second time, want %d: %+v", n, want, s.Requests())
				}
				if len(s.Requests()) == 0 {
					t.Fatal("nothing was asked, not even the page")
				}
			})
		}
	}
}

func get(t *testing.T, method, url string, header ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err.Error()
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return resp, err.Error()
	}
	return resp, string(b)
}

func TestLogAndFaults(t *testing.T) {
	s := pypitest.NewIndex(t, pypitest.Options{})
	href := s.AddFile("Demo", pypitest.Artifact{Name: "demo-1.0.tar.gz", Data: []byte("0123456789")})
	if resp, b := get(t, "GET", href, "Range", "bytes=4-"); resp.StatusCode != 206 || b != "456789" {
		t.Fatalf("range: %v %q", resp.Status, b)
	}
	s.Fault(s.FilePath("demo-1.0.tar.gz"), pypitest.Fault{Cut: true, CutAfter: 3, Times: 1})
	if _, b := get(t, "GET", href); !strings.Contains(b, "EOF") {
		t.Fatalf("cut: %q", b)
	}
	if _, b := get(t, "GET", href); b != "0123456789" {
		t.Fatalf("after one cut: %q", b)
	}
	s.Fault(s.FilePath("demo-1.0.tar.gz"), pypitest.Fault{After: 1, Flip: true})
	if _, b := get(t, "GET", href); b != "0123456789" {
		t.Fatalf("before the fault: %q", b)
	}
	if _, b := get(t, "GET", href); b == "0123456789" || len(b) != 10 {
		t.Fatalf("flipped: %q", b)
	}
	s.Fault(s.PagePath("demo"), pypitest.Fault{Status: 429, RetryAfter: "7"})
	if resp, _ := get(t, "GET", s.URL()+"demo/"); resp.StatusCode != 429 || resp.Header.Get("Retry-After") != "7" {
		t.Fatalf("429: %v", resp.Header)
	}
	s.Fault(s.PagePath("demo"), pypitest.Fault{Redirect: "file:///etc/passwd"})
	if resp, _ := get(t, "GET", s.URL()+"demo/"); resp.Header.Get("Location") != "file:///etc/passwd" {
		t.Fatalf("redirect: %v", resp.Header)
	}
	s.Fault(s.PagePath("demo"), pypitest.Fault{Pad: 5000})
	if _, b := get(t, "GET", s.URL()+"demo/"); len(b) < 5000 || !strings.HasSuffix(b, "</html>\n") {
		t.Fatalf("padded page: %d bytes", len(b))
	}
	s.Fault(s.PagePath("demo"), pypitest.Fault{NoLength: true, Cut: true, CutAfter: 20})
	if resp, b := get(t, "GET", s.URL()+"demo/"); len(b) != 20 || resp.ContentLength != -1 {
		t.Fatalf("no length: %q", b)
	}
	s.Fault(s.PagePath("demo"), pypitest.Fault{})
	if resp, _ := get(t, "GET", s.URL()+"demo/"); resp.StatusCode != 200 {
		t.Fatalf("mended: %v", resp.Status)
	}
	var statuses []int
	var sent []int64
	for _, r := range s.Requests()[:3] {
		statuses, sent = append(statuses, r.Status), append(sent, r.Bytes)
	}
	if !slices.Equal(statuses, []int{206, 200, 200}) || !slices.Equal(sent, []int64{6, 3, 10}) {
		t.Fatalf("log: %v %v", statuses, sent)
	}
	if len(s.Wheels()) != 0 {
		t.Fatal("a tar.gz counted as a wheel")
	}
	s.Reset()
	if len(s.Requests()) != 0 {
		t.Fatal("reset left requests")
	}
}

// TestProxyPip sends a real pip through the counting proxy.
func TestProxyPip(t *testing.T) {
	s := pypitest.NewIndex(t, pypitest.Options{TLS: true})
	s.Add(map[string][]byte{"demo-1.0-py3-none-any.whl": pypitest.Wheel{Name: "demo", Version: "1.0"}.Bytes()})
	p := pypitest.NewProxy(t, "someone", "else")
	cmd := exec.Command("python3", "-m", "pip", "download", "--no-cache-dir", "--proxy", p.URL(), "-d", t.TempDir(), "demo")
	cmd.Env = s.Env()
	cmd.Dir = t.TempDir()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("pip: %v\n%s", err, out)
	}
	passed := p.Requests()
	if len(passed) == 0 || passed[len(passed)-1].Path != s.Host() || passed[len(passed)-1].Method != "CONNECT" || passed[len(passed)-1].Bytes == 0 {
		t.Fatalf("proxy saw %+v", passed)
	}
}
