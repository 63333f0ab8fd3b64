//go:build linux

package run_test

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"larder/builder/toytest"
	"larder/overlay"
	"larder/overlay/attach"
	"larder/overlay/instance"
	"larder/overlay/overlaytest"
	"larder/overlay/run"
	"larder/snapshot"
	"larder/snapshot/ecosystem"
)

// chest is an environment that is the locks' alone.
type chest struct{ ecosystem.Environments }

func (chest) Alone() bool                                     { return true }
func (chest) Usual(wd string, _ func(string) string) []string { return []string{wd + "/chest"} }

// newChest is a world whose lock, in a directory of its own, was merged: a file and a directory. It returns
// where its environment goes.
func newChest(t *testing.T) (w *world, at string) {
	t.Helper()
	return chestOf(t, "duck 1 aa in:duck\n", map[string]string{"duck/sound": "quack\n"})
}

// chestOf is a world whose lock was merged to these files.
func chestOf(t *testing.T, text string, has map[string]string) (w *world, at string) {
	t.Helper()
	row, err := json.Marshal(snapshot.Target{Format: snapshot.ManifestFormat, Ecosystem: "toy", Tag: "toy"})
	must(t, err)
	link := snapshot.NoBuilt.ByLock("toy", snapshot.Sum([]byte(text)).String())
	all := map[string]string{"targets/toy.json": string(row), link + " -> " + snapshot.LinkTarget(link, "e/00000000000c"): ""}
	for name, text := range has {
		all["e/00000000000c/"+name] = text
	}
	for name, text := range all {
		files[name] = text
		defer delete(files, name)
	}
	w = newWorld(t)
	w.c.Required = true
	lock := filepath.Join(t.TempDir(), "toy.lock")
	must(t, os.WriteFile(lock, []byte(text), 0o644))
	toy := toytest.Ecosystem(nil).Ecosystem
	toy.Environments = chest{toy.Environments}
	w.c.Locks = &attach.Locks{Ecosystem: toy, Paths: []string{lock}, Beside: filepath.Dir(lock), Files: ecosystem.Host{}, Getenv: os.Getenv,
		Found: func(snapshot.Target, *snapshot.Requirements, snapshot.Environment) ([]snapshot.Pin, error) {
			return nil, nil
		}}
	return w, filepath.Join(filepath.Dir(lock), "chest")
}

// An environment of the locks alone is mounted where nothing is, which is removed again, or over what is
// there, which stays as it was. Its root is as old as the snapshot's.
func TestMountRunAlone(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	w, at := newChest(t)
	script := "cd " + at + ` && ls -A && cat duck/sound && stat -c '%a %u' . && test $(stat -c %Y .) = $(stat -c %Y $LARDER_VIEW/e/00000000000c) && echo new > new && rm -r duck && ls`
	if out, r := w.sh(script); out != "duck\nquack\n755 0\nnew\n" || r.Status != 0 || r.Mounts[len(r.Mounts)-1].Lowers != 1 {
		t.Errorf("status %d, output %q, %+v", r.Status, out, r.Mounts)
	}
	if _, err := os.Lstat(at); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what was made is still there: %v", err)
	}
	must(t, os.Mkdir(at, 0o755))
	must(t, os.WriteFile(at+"/mine", []byte("mine"), 0o644))
	if out, r := w.sh(script); out != "duck\nquack\n755 0\nnew\n" || r.Status != 0 {
		t.Errorf("status %d, output %q", r.Status, out)
	}
	if b, err := os.ReadFile(at + "/mine"); err != nil || string(b) != "mine" {
		t.Errorf("what was there: %q, %v", b, err)
	}
	// A kept instance goes on as it was left: its root is not made old again.
	kept := filepath.Join(t.TempDir(), "kept")
	for _, want := range []string{"duck\n", "duck\nnew\n"} {
		i, err := instance.Keep(kept)
		must(t, err)
		w.c.Instance = i
		out, r := w.sh("cd " + at + " && ls && echo > new && test $(stat -c %Y .) -gt 1000000000")
		if i.Close(); out != want || r.Status != 0 {
			t.Errorf("status %d, output %q, want %q", r.Status, out, want)
		}
		w.c.Instance = nil
	}
	// Without anything merged there is nothing to mount, and nothing is left of the attempt.
	must(t, os.RemoveAll(at))
	must(t, os.WriteFile(w.c.Locks.Paths[0], []byte("duck 1 aa in:elsewhere\n"), 0o644))
	i, err := instance.Create(filepath.Join(t.TempDir(), "instance"))
	must(t, err)
	defer i.Close()
	w.c.Instance = i
	if _, _, err := w.try("true"); !errors.Is(err, overlay.ErrRefused) || !strings.Contains(err.Error(), "the snapshot has no toy box of the lock") {
		t.Errorf("a lock that was not merged: %v", err)
	}
	if _, err := os.Lstat(at); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the attempt left a directory: %v", err)
	}
}

// Another user gets it where that user may make it, and owns what is in it.
func TestMountRunAloneAsAnotherUser(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	w, at := newChest(t)
	w.c.User = run.User{Name: "someone", Home: w.home, Owner: overlay.Owner{UID: 12345, GID: 54321}, Groups: []int{54321}, Switch: true}
	must(t, os.Chown(w.home, 12345, 54321))
	for d := filepath.Dir(at); d != "/tmp" && d != "/"; d = filepath.Dir(d) {
		must(t, os.Chmod(d, 0o755))
	}
	w.c.Required = false
	if out, r := w.sh("ls -d " + at + " || true"); out != "" || r.Status != 0 || len(w.warnings) != 1 || !strings.Contains(w.warnings[0], "permission denied") {
		t.Errorf("in root's directory: status %d, output %q, %q", r.Status, out, w.warnings)
	}
	must(t, os.Chown(filepath.Dir(at), 12345, 54321))
	w.c.Required = true
	if out, r := w.sh("cd " + at + " && cat duck/sound && echo new > duck/new && stat -c %u . duck duck/sound duck/new"); out != "quack\n12345\n12345\n12345\n12345\n" || r.Status != 0 {
		t.Errorf("status %d, output %q", r.Status, out)
	}
	if _, err := os.Lstat(at); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what was made is still there: %v", err)
	}
}

// The run that made a mount point does not take it from another one that has it, too.
func TestMountRunAloneTogether(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	w, at := newChest(t)
	together(t, w, at, "quack\n")
}

// together has two runs at once, the first of which ends first. Both have a sound at a place.
func together(t *testing.T, w *world, at, sound string) {
	t.Helper()
	begin := func(name string) (end func() run.Report) {
		i, err := instance.Create(filepath.Join(t.TempDir(), name))
		must(t, err)
		c := w.c
		c.Instance = i
		c.Command = []string{"sh", "-c", "cd " + at + "/duck && touch ~/at-" + name + " && while ! test -e ~/go-" + name + "; do sleep 0.01; done; cat " + at + "/duck/sound >~/of-" + name}
		done := make(chan run.Report)
		go func() {
			defer i.Close()
			r, err := run.Run(context.Background(), c)
			if err != nil {
				t.Error(err)
			}
			done <- r
		}()
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			if _, err := os.Stat(w.home + "/at-" + name); err == nil {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s did not begin", name)
			}
		}
		return func() run.Report {
			must(t, os.WriteFile(w.home+"/go-"+name, nil, 0o644))
			return <-done
		}
	}
	first := begin("first")
	second := begin("second")
	if r := first(); r.Status != 0 {
		t.Errorf("first: status %d", r.Status)
	}
	if r := second(); r.Status != 0 {
		t.Errorf("second: status %d", r.Status)
	}
	if b, err := os.ReadFile(w.home + "/of-second"); err != nil || string(b) != sound {
		t.Errorf("after the first ended, the second saw %q, %v", b, err)
	}
}
