//go:build linux

package run_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"larder/overlay"
	"larder/overlay/attach"
	"larder/overlay/instance"
	"larder/overlay/overlaytest"
	"larder/overlay/run"
)

const site = "lib/python3.11/site-packages/"

// otherVersion is an environment that has one 0.9 and a project of its own.
func otherVersion(t *testing.T) string {
	dir := filepath.Join(t.TempDir(), ".venv")
	for name, text := range map[string]string{
		"pyvenv.cfg":               "home = /usr/bin\nversion = 3.11.7\n",
		"bin/one":                  "old",
		"bin/old":                  "old",
		site + "one.py":            "print('old')\n",
		site + "extra/__init__.py": "",
		site + "extra/__pycache__/__init__.cpython-311.pyc": "",
		site + "ns/old.py":                  "",
		site + "ns/mine.py":                 "",
		site + "One-0.9.dist-info/METADATA": "Name: One\nVersion: 0.9\n",
		site + "One-0.9.dist-info/RECORD":   "one.py,,\nextra/__init__.py,,\nns/old.py,,\n../../../bin/one,,\n../../../bin/old,,\nOne-0.9.dist-info/RECORD,,\n",
		site + "mine-1.dist-info/RECORD":    "ns/mine.py,,\n",
	} {
		p := filepath.Join(dir, name)
		must(t, os.MkdirAll(filepath.Dir(p), 0o755))
		must(t, os.WriteFile(p, []byte(text), 0o644))
	}
	return dir
}

func list(t *testing.T, dir string) string {
	t.Helper()
	var all []string
	must(t, filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		st, err := d.Info()
		all = append(all, p+" "+st.Mode().String()+" "+st.ModTime().String())
		return err
	}))
	return strings.Join(all, "\n")
}

const look = `cd $VIRTUAL_ENV && ls bin lib/python3.11/site-packages lib/python3.11/site-packages/ns && cat lib/python3.11/site-packages/one.py
	test -f $VIRTUAL_ENV/bin/one && cat bin/one`

const lookedAt = "bin:\none\n\nlib/python3.11/site-packages:\nmine-1.dist-info\nns\none-1.0.dist-info\none.py\n\n" +
	"lib/python3.11/site-packages/ns:\nmine.py\nprint('one')\none 1.0\n"

func maskWorld(t *testing.T) (*world, string) {
	files["l/000000000001/bin/one*"] = "one 1.0\n"
	files["l/000000000001/"+site+"one-1.0.dist-info/METADATA"] = "Name: one\nVersion: 1.0\n"
	defer delete(files, "l/000000000001/bin/one*")
	defer delete(files, "l/000000000001/"+site+"one-1.0.dist-info/METADATA")
	w := newWorld(t)
	return w, otherVersion(t)
}

// Of a project of the lock's, an environment shows the lock's version only.
func TestMountRunHidesOtherVersions(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	for _, as := range []overlay.Owner{{}, {UID: 12345, GID: 54321}} {
		w, dir := maskWorld(t)
		w.c.Required = true
		if as.UID != 0 {
			w.c.User = run.User{Home: w.home, Owner: as, Groups: []int{as.GID}, Switch: true}
			must(t, os.Chown(w.home, as.UID, as.GID))
			must(t, filepath.WalkDir(dir, func(p string, _ os.DirEntry, _ error) error { return os.Chown(p, as.UID, as.GID) }))
			for _, below := range []string{w.home, dir} {
				for d := filepath.Dir(below); d != "/tmp" && d != "/"; d = filepath.Dir(d) {
					must(t, os.Chmod(d, 0o755))
				}
			}
		}
		before := list(t, dir)
		w.lock(plain, dir, "", "one==1")
		i, err := instance.Keep(filepath.Join(t.TempDir(), "kept"))
		must(t, err)
		w.c.Instance = i
		for range 2 { // the second run finds the mask of the first
			out, r := w.sh(look)
			if out != lookedAt {
				t.Errorf("the command saw:\n%s\nwant:\n%s", out, lookedAt)
			}
			if m := r.Mounts[len(r.Mounts)-1]; m.Lowers != 3 || m.UpperFiles != 0 {
				t.Errorf("mount %+v", m)
			}
		}
		// What is removed and made anew stays so, also where the mask is.
		out, _ := w.sh(`cd $VIRTUAL_ENV/lib/python3.11/site-packages && rm -r one.py one-1.0.dist-info && mkdir extra && echo new > extra/new.py && echo new > ns/old.py && ls . extra && cat ns/old.py
			stat -c '%u:%g %a' . ns`)
		want := ".:\nextra\nmine-1.dist-info\nns\n\nextra:\nnew.py\nnew\n"
		if !strings.HasPrefix(out, want) || as.UID != 0 && !strings.HasSuffix(out, "12345:54321 755\n12345:54321 755\n") {
			t.Errorf("after an uninstall: %q, want %q", out, want)
		}
		i.Close()
		if after := list(t, dir); after != before {
			t.Errorf("the environment's own directory:\n%s\nwas:\n%s", after, before)
		}
		// Another lock hides nothing of it.
		w.c.Instance = nil
		w.lock(plain, dir, "", "two==2")
		if out, r := w.sh(`cat $VIRTUAL_ENV/lib/python3.11/site-packages/one.py; test -f $VIRTUAL_ENV/bin/old`); out != "print('old')\n" || r.Status != 0 {
			t.Errorf("another lock: %q, status %d", out, r.Status)
		}
	}
}

// A mask that cannot be made: a warning, or a refusal.
func TestMountRunWithoutMask(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	w, dir := maskWorld(t)
	must(t, os.Truncate(filepath.Join(dir, site, "One-0.9.dist-info/RECORD"), 17<<20))
	w.lock(plain, dir, "", "one==1")
	out, _ := w.sh(`ls -d $VIRTUAL_ENV/lib/python3.11/site-packages/*/METADATA $VIRTUAL_ENV/lib/python3.11/site-packages/One-0.9.dist-info; cat $VIRTUAL_ENV/lib/python3.11/site-packages/one.py`)
	if !strings.Contains(out, "One-0.9.dist-info") || !strings.HasSuffix(out, "print('one')\n") {
		t.Errorf("the command saw %q", out)
	}
	if len(w.warnings) != 1 || !strings.Contains(w.warnings[0], attach.ErrMask.Error()) {
		t.Errorf("warnings: %q", w.warnings)
	}
	i, err := instance.Create(filepath.Join(t.TempDir(), "i"))
	must(t, err)
	defer i.Close()
	w.c.Required, w.c.Instance = true, i
	if _, _, err := w.try("true"); !errors.Is(err, attach.ErrMask) {
		t.Errorf("required: %v", err)
	}
}

// An environment without pip, as uv makes them, gets the target's.
func TestMountRunBringsPip(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	w, dir := maskWorld(t)
	w.c.Required = true
	i, err := instance.Keep(filepath.Join(t.TempDir(), "kept"))
	must(t, err)
	defer i.Close()
	w.lock(withPip, dir, "", "one==1")
	pip := `cat $VIRTUAL_ENV/lib/python3.11/site-packages/pip/__main__.py 2>/dev/null; true`
	w.c.Instance = i
	if out, _ := w.sh(pip); out != "print('pip')\n" {
		t.Errorf("without pip of its own: %q", out)
	}
	must(t, os.Mkdir(filepath.Join(dir, site, "pip-20.0.dist-info"), 0o755))
	if out, _ := w.sh(pip); out != "print('pip')\n" {
		t.Errorf("the kept instance, later: %q", out)
	}
	w.c.Instance = nil
	if out, _ := w.sh(pip); out != "" {
		t.Errorf("with pip of its own: %q", out)
	}
}
