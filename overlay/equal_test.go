//go:build linux

package overlay_test

import (
	"strings"
	"testing"

	"github.com/containerd/continuity/fs/fstest"

	"larder/overlay/overlaytest"
)

// A view behaves as a plain directory with the same files would, before and
// after changes, whichever lower a file came from.
func TestMountViewIsAPlainTree(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	content := map[string]string{"lib/a.py": "a", "lib/b.py": "b", "bin/tool*": "#!/bin/sh\n", "share/empty": "", "lib/deep/er/c.py": "c"}
	files := map[string]string{}
	var make []fstest.Applier
	for name, data := range content {
		layer := "l/000000000001/"
		if strings.HasPrefix(name, "lib/") {
			layer = "l/000000000002/"
		}
		files[layer+name] = data
	}
	make = append(make,
		fstest.CreateDir("lib", 0o755), fstest.CreateDir("lib/deep", 0o755), fstest.CreateDir("lib/deep/er", 0o755),
		fstest.CreateDir("bin", 0o755), fstest.CreateDir("share", 0o755),
		fstest.CreateFile("lib/a.py", []byte("a"), 0o644), fstest.CreateFile("lib/b.py", []byte("b"), 0o644),
		fstest.CreateFile("bin/tool", []byte("#!/bin/sh\n"), 0o755), fstest.CreateFile("share/empty", nil, 0o644),
		fstest.CreateFile("lib/deep/er/c.py", []byte("c"), 0o644),
	)
	plain := t.TempDir()
	must(t, fstest.Apply(make...).Apply(plain))
	s := overlaytest.New(t, t.TempDir(), files)
	view, _ := newView(t, s, "l/000000000001", "l/000000000002")
	must(t, fstest.CheckDirectoryEqual(view, plain))

	change := fstest.Apply(
		fstest.CreateFile("lib/a.py", []byte("changed"), 0o644),
		fstest.Remove("lib/b.py"),
		fstest.Chmod("bin/tool", 0o700),
		fstest.RemoveAll("share"),
		fstest.CreateDir("share", 0o750),
		fstest.CreateFile("share/new", []byte("new"), 0o600),
		fstest.Rename("lib/deep/er/c.py", "lib/deep/moved.py"),
		fstest.Symlink("a.py", "lib/link"),
		fstest.Link("share/new", "share/hard"), // of a file of the upper: a link to a lower one gets an inode number of its own
		fstest.CreateRandomFile("big", 1, 1<<20, 0o644),
	)
	must(t, change.Apply(plain))
	must(t, change.Apply(view))
	must(t, fstest.CheckDirectoryEqual(view, plain))
}
