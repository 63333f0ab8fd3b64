package pypi

import (
	"io"
	"path"
	"slices"
	"strings"
	"testing"
)

// The pyvenv.cfg of an environment in a container: its version is two or three numbers or nothing.
func FuzzPyvenv(f *testing.F) {
	for _, s := range []string{"home = /usr/bin\nversion = 3.11.2\n", "VERSION_INFO=3.13.0.final.0", "version = 3\nversion = 99999.1", "home=\x00\r\n=\n", strings.Repeat("x", 70000)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, cfg []byte) {
		home, version := parse(cfg)
		if strings.ContainsRune(home, '\n') {
			t.Errorf("home %q", home)
		}
		if version != release(version) || strings.Count(version, ".") > 2 {
			t.Errorf("version %q", version)
		}
	})
}

// The RECORD of a project in a container: what it lists to be hidden is below the environment.
func FuzzMaskPaths(f *testing.F) {
	for _, s := range []string{"one.py,,\n", "../../../bin/one,,\n", "../../../../etc/passwd,,\n", "/etc/passwd,,", "\"a\nb\",,", "a/../../../../..,\n", "a//b\x00c,,", "\"", "../../../pyvenv.cfg,,"} {
		f.Add(s, "one-1.0.dist-info")
	}
	f.Fuzz(func(t *testing.T, record, name string) {
		if strings.Contains(name, "/") {
			return // it is the name of a directory
		}
		own := []distInfo{{"lib/python3.11/site-packages", name}}
		paths, err := maskPaths(own, []string{"one"}, func(_ distInfo, read func(io.Reader) error) error { return read(strings.NewReader(record)) })
		if err != nil {
			return
		}
		if !slices.IsSorted(paths) || len(paths) > 0 && project(name) != "one" {
			t.Errorf("%q", paths)
		}
		for _, p := range paths {
			if path.IsAbs(p) || path.Clean(p) != p || p == "." || p == ".." || strings.HasPrefix(p, "../") || strings.ContainsRune(p, 0) && p != own[0].path() {
				t.Errorf("%q leads out", p)
			}
		}
	})
}
