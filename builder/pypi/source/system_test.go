package source_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"larder/builder/pypi/source"
)

// tree makes files and links ("-> target") in a new directory.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if to, ok := strings.CutPrefix(text, "-> "); ok {
			err = os.Symlink(to, path)
		} else {
			err = os.WriteFile(path, []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error { // whatever the umask
		switch {
		case err != nil || d.Type() == fs.ModeSymlink:
			return err
		case d.IsDir():
			return os.Chmod(path, 0o755)
		}
		return os.Chmod(path, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// The digest of a root says all that a build sees of it, and nothing else.
func TestDigest(t *testing.T) {
	files := map[string]string{"usr/bin/cc": "cc", "usr/lib/a.so": "a", "bin": "-> usr/bin", "usr/lib/b.so": "-> a.so", "etc/x": "x", "var/log/y": "y"}
	dir := tree(t, files)
	digest := func() string {
		t.Helper()
		d, err := source.DigestOf(dir)
		if err != nil {
			t.Fatal(err)
		}
		return d.String()
	}
	if got, want := digest(), "0c72189342dce31f23c9321a2634ee4f625bd541223fc15aadabb46855dce29f"; got != want {
		t.Errorf("the digest of a known tree is %s", got)
	}
	seen := map[string]bool{digest(): true}
	for _, step := range []struct {
		changes bool
		do      func() error
	}{
		{false, func() error { return os.WriteFile(filepath.Join(dir, "var/log/y"), []byte("z"), 0o644) }},
		{false, func() error { return os.Mkdir(filepath.Join(dir, "home"), 0o755) }},
		{false, func() error { return os.Chtimes(filepath.Join(dir, "usr/bin/cc"), time.Time{}, time.Unix(1, 0)) }},
		{true, func() error { return os.WriteFile(filepath.Join(dir, "usr/bin/cc"), []byte("cd"), 0o644) }},
		{true, func() error { return os.Chmod(filepath.Join(dir, "usr/bin/cc"), 0o755) }},
		{true, func() error { return os.Rename(filepath.Join(dir, "usr/bin/cc"), filepath.Join(dir, "usr/bin/cx")) }},
		{true, func() error { return os.Mkdir(filepath.Join(dir, "usr/empty"), 0o755) }},
		{true, func() error { return os.Remove(filepath.Join(dir, "usr/lib/b.so")) }},
		{true, func() error { return os.Symlink("b.so", filepath.Join(dir, "usr/lib/b.so")) }},
	} {
		before := digest()
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		after := digest()
		if (before != after) != step.changes || step.changes && seen[after] {
			t.Errorf("%s, then %s", before, after)
		}
		seen[after] = true
	}
	if _, err := source.DigestOf(t.TempDir()); err == nil || !strings.Contains(err.Error(), "no root file system") {
		t.Error(err)
	}
}

// A directory of the root is one mount, but where it lacks a mount point: then there is one for each of
// what is beside.
func TestSystemMounts(t *testing.T) {
	dir := tree(t, map[string]string{
		"usr/bin/cc": "", "usr/lib/x": "", "usr/local/bin/y": "", "usr/local/gone": "-> ../nowhere", "usr/out": "-> /etc", "lib": "-> usr/lib", "etc/x": "", "opt/x": "",
	})
	for points, want := range map[string]string{
		"":                                 "/etc /lib /usr",
		"/root/python/lib/python3":         "/etc /lib /usr",
		"/usr/bin/cc":                      "/etc /lib /usr",
		"/usr/local/lib/python3":           "/etc /lib /usr/bin /usr/lib /usr/local/bin",
		"/usr/lib/python3 /lib/python3/so": "/etc /lib/x /usr/bin /usr/lib/x /usr/local",
	} {
		mounts, err := source.Mounts(source.NewSystem(dir), strings.Fields(points))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range mounts {
			got = append(got, m.Target)
			if !strings.HasPrefix(m.Source, dir+"/") {
				t.Errorf("%s: %s shows %s", points, m.Target, m.Source)
			}
		}
		slices.Sort(got)
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %s", points, got)
		}
	}
}
