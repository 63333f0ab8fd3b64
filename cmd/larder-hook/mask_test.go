//go:build linux

package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"larder/overlay/overlaytest"
)

// A container's virtual environment has another version of what the lock
// provides, and a record that leads everywhere: the container sees the lock's
// version, and nothing but its own files of that project is gone.
func TestMountHookHidesOtherVersions(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	const site = "opt/venv/lib/python3.11/site-packages/"
	for _, base := range []int{0, 100000} {
		t.Run(fmt.Sprint("ids from ", base), func(t *testing.T) {
			dir := t.TempDir()
			store, lock, cfg := filepath.Join(dir, "store"), filepath.Join(dir, "app.lock"), filepath.Join(dir, "config.toml")
			must(t, os.WriteFile(lock, []byte("one==1.0\nthree==3\n"), 0o600))
			must(t, os.WriteFile(cfg, fmt.Appendf(nil, "[profile.app]\nlock = %q\nvenv = \"/opt/venv\"\nviews = []\nview = \"\"\n", lock), 0o600))
			publish(t, store, map[string]string{"l/000000000001/lib/python3.11/site-packages/one-1.0.dist-info/METADATA": "new"})
			f := start(t, store, "c1", base)
			for name, text := range map[string]string{
				"opt/venv/pyvenv.cfg":              "home = /usr/bin\nversion = 3.11.2\n",
				"opt/venv/bin/one":                 "old",
				"opt/outside":                      "outside\n",
				site + "one/__init__.py":           "one = 0\n",
				site + "one/old.py":                "",
				site + "extra.py":                  "",
				site + "one-0.9.dist-info/RECORD":  "one/__init__.py,,\none/old.py,,\nextra.py,,\n../../../bin/one,,\n../../../../outside,,\n/opt/outside,,\nlink/outside,,\n../../../../../../../../etc/passwd,,\n",
				site + "three.py":                  "own",
				site + "three-1.dist-info/RECORD":  "three.py,,\n",
				site + "nobody-1.dist-info/RECORD": "three.py,,\none/empty.py,,\n",
			} {
				p := filepath.Join(f.rootfs, name)
				must(t, os.MkdirAll(filepath.Dir(p), 0o755))
				must(t, os.WriteFile(p, []byte(text), 0o644))
			}
			must(t, os.Symlink("/opt", filepath.Join(f.rootfs, site, "link")))
			must(t, filepath.WalkDir(filepath.Join(f.rootfs, "opt"), func(p string, _ fs.DirEntry, _ error) error { return os.Lchown(p, base, base) }))
			before := f.sh("cd $R/opt; find . | sort; cd /")
			if status, stderr := f.attach("--required", "--config", cfg, "--profile", "app"); status != 0 {
				t.Fatalf("attach: exit %d, %q", status, stderr)
			}
			got := f.sh("cd $R/" + site + "; ls . one ../../../bin; cat one/__init__.py three.py link/outside 2>/dev/null; stat -c ' %u:%g %a' . ../../../bin; cat $R/opt/outside; cd /")
			want := ".:\nlink\nnobody-1.dist-info\none\none-1.0.dist-info\nthree-1.dist-info\nthree.py\n\n../../../bin:\n\none:\n__init__.py\nempty.py\none = 1\nown"
			if !strings.HasPrefix(got, want) || !strings.HasSuffix(got, " 0:0 755\n 0:0 755\noutside\n") {
				t.Errorf("in the container: %q, want %q", got, want)
			}
			f.sh("umount $R/opt/venv")
			if after := f.sh("cd $R/opt; find . | sort; cd /"); after != before {
				t.Errorf("below the mount:\n%s\nwas:\n%s", after, before)
			}
		})
	}
}

// A record that is too large: a note, and with --required no environment.
func TestMountHookWithoutMask(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	dir := t.TempDir()
	store, lock, cfg := filepath.Join(dir, "store"), filepath.Join(dir, "app.lock"), filepath.Join(dir, "config.toml")
	must(t, os.WriteFile(lock, []byte("one==1.0\n"), 0o600))
	must(t, os.WriteFile(cfg, fmt.Appendf(nil, "[profile.app]\nlock = %q\nvenv = \"/opt/venv\"\nviews = []\nview = \"\"\n", lock), 0o600))
	publish(t, store, nil)
	f := start(t, store, "c1", 0)
	info := filepath.Join(f.rootfs, "opt/venv/lib/python3.11/site-packages/one-0.9.dist-info")
	must(t, os.MkdirAll(info, 0o755))
	must(t, os.WriteFile(filepath.Join(f.rootfs, "opt/venv/pyvenv.cfg"), []byte("version = 3.11.2\n"), 0o644))
	must(t, os.WriteFile(filepath.Join(info, "RECORD"), nil, 0o644))
	must(t, os.Truncate(filepath.Join(info, "RECORD"), 1<<40))
	if status, stderr := f.attach("--required", "--config", cfg, "--profile", "app"); status != 1 || !strings.Contains(stderr, "stay visible") {
		t.Errorf("required: exit %d, %q", status, stderr)
	}
	if status, stderr := f.attach("--config", cfg, "--profile", "app"); status != 0 || !strings.Contains(stderr, "stay visible") {
		t.Errorf("exit %d, %q", status, stderr)
	}
	f.sh("test -f $R/opt/venv/lib/python3.11/site-packages/one/__init__.py && test -d $R/opt/venv/lib/python3.11/site-packages/one-0.9.dist-info")
}

// An image of sparse records costs the host no memory, which is outside the
// container's cgroup: a note, and the environment without a mask.
func TestMountHookReadsLittle(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	dir := t.TempDir()
	store, lock, cfg := filepath.Join(dir, "store"), filepath.Join(dir, "app.lock"), filepath.Join(dir, "config.toml")
	must(t, os.WriteFile(lock, []byte("one==1.0\n"), 0o600))
	must(t, os.WriteFile(cfg, fmt.Appendf(nil, "[profile.app]\nlock = %q\nvenv = \"/opt/venv\"\nviews = []\nview = \"\"\n", lock), 0o600))
	publish(t, store, nil)
	f := start(t, store, "c1", 0)
	for i := range 200 {
		info := filepath.Join(f.rootfs, fmt.Sprintf("opt/venv/lib/python3.11/site-packages/one-0.%d.dist-info", i))
		must(t, os.MkdirAll(info, 0o755))
		must(t, os.WriteFile(filepath.Join(info, "RECORD"), nil, 0o644))
		must(t, os.Truncate(filepath.Join(info, "RECORD"), 16<<20))
	}
	must(t, os.WriteFile(filepath.Join(f.rootfs, "opt/venv/pyvenv.cfg"), []byte("version = 3.11.2\n"), 0o644))
	if status, stderr := f.attach("--config", cfg, "--profile", "app"); status != 0 || !strings.Contains(stderr, "stay visible: more than 16 MiB to read") {
		t.Errorf("exit %d, %q", status, stderr)
	}
	var used unix.Rusage // of the largest child that has ended
	must(t, unix.Getrusage(unix.RUSAGE_CHILDREN, &used))
	if used.Maxrss > 256<<10 {
		t.Errorf("%d MiB", used.Maxrss>>10)
	}
}
