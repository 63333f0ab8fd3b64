//go:build linux

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"larder/overlay/keep"
	"larder/snapshot"
	"larder/snapshot/check"
)

// arena is a store with a snapshot that gc takes unless it is used, and a container that wants it.
type arena struct {
	t              testing.TB
	bin, dir       string
	s              *snapshot.Store
	doomed, newest snapshot.ID
	content        map[string]string // of the doomed snapshot, by path
	f              *fake
	round          int
}

func newArena(t testing.TB, bin string, number int) *arena {
	a := &arena{t: t, bin: bin, dir: t.TempDir(), content: map[string]string{}}
	m, err := (&snapshot.Manifest{Views: []string{"pip"}}).Encode()
	must(t, err)
	extra := map[string]string{snapshot.ManifestPath: string(m)}
	for i := range 5 {
		extra[fmt.Sprintf("views/pip/http-v2/doomed-%d", i)] = fmt.Sprintf("of the old snapshot %d.%d", number, i)
	}
	for _, set := range []map[string]string{files, extra} {
		for path, content := range set {
			if !strings.Contains(path, " -> ") {
				a.content[path] = content
			}
		}
	}
	store := filepath.Join(a.dir, "store")
	a.doomed = publish(t, store, extra)
	a.newest = publish(t, store, map[string]string{snapshot.ManifestPath: string(m), "views/pip/http-v2/new": fmt.Sprint("of the new snapshot ", number)})
	s, err := snapshot.Open(store)
	must(t, err)
	a.s = s
	out, err := exec.Command("cp", "-a", store, a.path("template")).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	a.f = start(t, store, fmt.Sprint("arena-", number), 0)
	return a
}

func (a *arena) path(name string) string {
	path := filepath.Join(a.dir, name)
	must(a.t, os.MkdirAll(filepath.Dir(path), 0o755))
	return path
}

// reset brings back what the last round took, and ends what it attached.
func (a *arena) reset() {
	for a.mounted() {
		a.f.sh(`for p in $R/mnt/cacache $R/home/a/.cache/pip; do umount -l $p 2>/dev/null; done; :`)
	}
	must(a.t, keep.Dir(keep.DefaultDir).UnmountAll(a.t.Context(), a.s.ObjectsDir()))
	must(a.t, a.s.DropLease(a.holder()))
	a.round++
	for _, dir := range a.instances() {
		must(a.t, a.s.Trash(dir))
	}
	must(a.t, a.s.EmptyTrash(a.t.Context()))
	a.restore("objects")
	a.restore("snapshots")
	image, err := os.OpenFile(a.s.ImagePath(a.doomed), os.O_RDONLY, 0)
	must(a.t, err)
	defer image.Close()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, err = unix.FcntlInt(image.Fd(), unix.F_SETLEASE, unix.F_WRLCK); err == nil {
			return
		}
		if time.Now().After(end) {
			a.t.Fatalf("the image stays in use after everything has ended: %v", err)
		}
	}
}

// mounted says whether the container has anything of ours. (The host may have it elsewhere.)
func (a *arena) mounted() bool {
	return strings.Contains(a.f.sh("grep $R /proc/self/mountinfo"), " larder:")
}

func (a *arena) instances() (dirs []string) {
	entries, err := os.ReadDir(a.s.InstancesDir())
	must(a.t, err)
	for _, e := range entries {
		dirs = append(dirs, filepath.Join(a.s.InstancesDir(), e.Name()))
	}
	return dirs
}

// restore puts back what a directory of the store lacks.
func (a *arena) restore(name string) {
	from := filepath.Join(a.dir, "template", name)
	must(a.t, filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(from, path)
		to := filepath.Join(a.s.Dir(), name, rel)
		if _, err := os.Lstat(to); err == nil || !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		out, err := exec.Command("cp", "-a", path, to).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		if d.IsDir() {
			return fs.SkipDir
		}
		return nil
	}))
}

func (a *arena) id() string { return fmt.Sprintf("%s-%d", a.f.id, a.round) }

// attach is the hook, as a runtime starts it.
func (a *arena) attach(config string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(a.bin, "larder-hook"), "attach", "--required", "--store", a.s.Dir(), "--config", config, "--log", "/dev/null")
	id := a.f.id
	a.f.id = a.id()
	cmd.Stdin = strings.NewReader(a.f.state())
	a.f.id = id
	return cmd
}

func (a *arena) gc(config string) *exec.Cmd {
	return exec.Command(filepath.Join(a.bin, "larder"), "--store", a.s.Dir(), "--config", config, "gc", "--keep", "1")
}

// profile is a configuration that names a snapshot.
func (a *arena) profile(ref string) string {
	path := a.path("config-" + ref + ".toml")
	must(a.t, os.WriteFile(path, fmt.Appendf(nil, "[profile.default]\nsnapshot = %q\n", ref), 0o600))
	return path
}

// holder is the round's container's name in the store.
func (a *arena) holder() string { return snapshot.HolderName(a.id(), a.f.bundle) }

// judge says what is wrong with what a round left, and what it came to.
func (a *arena) judge(attach, gc *actor) (came string, wrong []string) {
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	if gc.err != nil {
		bad("gc: %v: %s", gc.err, &gc.said)
	}
	root := fmt.Sprintf("/proc/%d/root%s", a.f.cmd.Process.Pid, a.f.rootfs)
	lease, lerr := a.s.Lease(a.holder())
	_, gone := os.Lstat(a.s.ImagePath(a.doomed))
	switch {
	case attach.err != nil:
		came = "refused"
		if !strings.Contains(attach.said.String(), "nothing attached: ") {
			bad("attach failed without a word: %v: %s", attach.err, &attach.said)
		}
		if a.mounted() {
			bad("refused, and mounts were left")
		}
		if lerr == nil {
			bad("refused, and a lease was left")
		}
	case lerr != nil:
		bad("attached without a lease: %v", lerr)
	case lease.Snapshot == a.newest:
		came = "took the newest"
		if b, err := os.ReadFile(root + "/mnt/cacache/views/pip/http-v2/new"); err != nil {
			bad("%q, %v", b, err)
		}
	case gone != nil:
		bad("the snapshot of an attached container was collected")
	default:
		came = "attached"
		for path, content := range a.content {
			if b, err := os.ReadFile(root + "/mnt/cacache/" + path); err != nil || string(b) != content {
				bad("%s reads %q, %v", path, b, err)
			}
			if in, ok := strings.CutPrefix(path, "views/pip/"); ok {
				if b, err := os.ReadFile(root + "/home/a/.cache/pip/" + in); err != nil || string(b) != content {
					bad("the cache's %s reads %q, %v", in, b, err)
				}
			}
		}
	}
	if r, err := check.Run(a.t.Context(), a.s, nil, check.Options{Full: true}); err != nil || len(r.Findings) > 0 {
		bad("the store: %v %+v", err, r.Findings)
	}
	if entries, err := os.ReadDir(filepath.Join(a.s.Dir(), "trash")); err != nil || len(entries) > 0 && came != "refused" {
		bad("left in the trash: %v, %v", entries, err)
	}
	if gone != nil {
		came += ", collected"
	} else {
		came += ", kept"
	}
	return came, wrong
}
