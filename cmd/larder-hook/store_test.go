package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"larder/snapshot"
	"larder/snapshot/image"
	"larder/snapshot/pypi"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func emptyStore(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "store")
	_, err := snapshot.Create(dir)
	must(t, err)
	return dir
}

const target = "cp311-manylinux_2_36_x86_64"

// files are a small snapshot: a view of each kind and the layers of two
// packages.
var files = map[string]string{
	"views/pip/http-v2/a/body": "a wheel",
	"views/wheels/wheels/b":    "an old wheel",
	"views/pip-old/http/b":     "a copy for old pips",
	"l/000000000001/lib/python3.11/site-packages/one/__init__.py": "one = 1\n",
	"l/000000000001/lib/python3.11/site-packages/one/empty.py":    "",
	"l/000000000002/lib/python3.11/site-packages/two.py":          "two = 2\n",
	"by-name/" + target + "/one/1.0 -> l/000000000001":            "",
	"by-name/" + target + "/two/2.0 -> l/000000000002":            "",
}

// publish makes files the current snapshot of a store.
func publish(t testing.TB, store string, extra map[string]string) snapshot.ID {
	t.Helper()
	s, err := snapshot.OpenOrCreate(store)
	must(t, err)
	stage, err := s.Begin(t.Context())
	must(t, err)
	defer stage.Close()
	row, err := json.Marshal(pypi.Target{Python: "3.11.2", Markers: map[string]string{
		"python_version": "3.11", "python_full_version": "3.11.2", "sys_platform": "linux", "os_name": "posix",
		"platform_machine": "x86_64", "platform_system": "Linux", "platform_release": "", "platform_version": "",
		"implementation_name": "cpython", "implementation_version": "3.11.2", "platform_python_implementation": "CPython",
	}}.Row(target, ""))
	must(t, err)
	tree := image.NewTree()
	add := func(path, content string) {
		o, err := stage.PutBytes([]byte(content), false)
		must(t, err)
		must(t, tree.File(path, o, int64(len(content)), snapshot.Epoch))
	}
	add(snapshot.TargetPath(target), string(row))
	for _, set := range []map[string]string{files, extra} {
		for path, content := range set {
			if link, to, ok := strings.Cut(path, " -> "); ok {
				must(t, tree.Symlink(link, snapshot.LinkTarget(link, to)))
			} else {
				add(path, content)
			}
		}
	}
	id, _, err := stage.Publish(func(w *os.File) error { return tree.Write(w) }, nil)
	must(t, err)
	return id
}
