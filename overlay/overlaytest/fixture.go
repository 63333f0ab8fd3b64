// Package overlaytest makes small snapshots and private mount namespaces for
// tests.
package overlaytest

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/erofs/go-erofs"
)

// Snapshot is an image over a pool, as a store holds them.
type Snapshot struct {
	Dir     string // holds both
	Image   string
	Objects string
}

// mtime is every file's time.
var mtime = time.Unix(315532800, 0)

// New makes a snapshot of files (path: content; a path that ends with "*" is
// executable, the star is not part of it; "path -> target" is a link) below dir. An empty content needs no
// object.
func New(t testing.TB, dir string, files map[string]string) Snapshot {
	t.Helper()
	s := Snapshot{Dir: dir, Image: filepath.Join(dir, "image.erofs"), Objects: filepath.Join(dir, "objects")}
	must(t, os.MkdirAll(s.Objects, 0o755))
	f, err := os.Create(s.Image)
	must(t, err)
	w := erofs.Create(f, erofs.WithBuildTime(uint64(mtime.Unix()), 0), erofs.WithTempDir(t.TempDir()))
	must(t, w.Mkdir("/", 0o755))
	must(t, w.Chtimes("/", mtime, mtime))
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	sort.Strings(names)
	made := map[string]bool{"/": true}
	var mkdir func(dir string)
	mkdir = func(dir string) {
		if made[dir] {
			return
		}
		mkdir(path.Dir(dir))
		must(t, w.Mkdir(dir, 0o755))
		must(t, w.Chtimes(dir, mtime, mtime))
		made[dir] = true
	}
	for _, key := range names {
		content, name, mode := files[key], "/"+key, os.FileMode(0o644)
		if link, target, ok := strings.Cut(name, " -> "); ok {
			mkdir(path.Dir(link))
			must(t, w.Symlink(target, link))
			continue
		}
		if key[len(key)-1] == '/' {
			mkdir(path.Clean(name))
			continue
		}
		if key[len(key)-1] == '*' {
			name, mode = name[:len(name)-1], 0o755
		}
		mkdir(path.Dir(name))
		e, err := w.Create(name)
		must(t, err)
		// The image carries a size and no bytes: zeros stand for the hole.
		_, err = e.Write(make([]byte, len(content)))
		must(t, err)
		must(t, e.Chmod(mode))
		must(t, e.Close())
		must(t, w.Chtimes(name, mtime, mtime))
		if content != "" {
			must(t, w.Setxattr(name, "trusted.overlay.metacopy", ""))
			must(t, w.Setxattr(name, "trusted.overlay.redirect", "/"+s.put(t, content, mode)))
		}
	}
	must(t, w.Close())
	must(t, f.Close())
	return s
}

func (s Snapshot) put(t testing.TB, content string, mode os.FileMode) string {
	sum := sha256.Sum256([]byte(content))
	name := hex.EncodeToString(sum[:])
	rel := name[:2] + "/" + name[2:]
	if mode&0o100 != 0 {
		rel += ".x"
	}
	must(t, os.MkdirAll(filepath.Join(s.Objects, name[:2]), 0o755))
	must(t, os.WriteFile(filepath.Join(s.Objects, rel), []byte(content), 0o600))
	must(t, os.Chmod(filepath.Join(s.Objects, rel), 0o444|mode&0o111))
	must(t, os.Chtimes(filepath.Join(s.Objects, rel), mtime, mtime))
	return rel
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
