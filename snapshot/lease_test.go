package snapshot

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestLease(t *testing.T) {
	s := newStore(t)
	id := publish(t, s, "one")
	hostile := []string{"c1", "..", "a/b", "../../etc/passwd", "-x", "new\nline", strings.Repeat("x", 5000), "日本"}
	for _, c := range hostile {
		must(t, s.AcquireLease(Lease{Container: c, Snapshot: id, PID: 1}))
		must(t, s.AcquireLease(Lease{Container: c, Snapshot: id, PID: 2})) // a second one replaces it
	}
	leases, err := s.Leases()
	must(t, err)
	if len(leases) != len(hostile) || !Leased(leases, id) || Leased(leases, ID{1}) {
		t.Errorf("%d leases", len(leases))
	}
	l, err := s.Lease("c1")
	if err != nil || l.PID != 2 || l.Snapshot != id || l.Time.IsZero() {
		t.Error(l, err)
	}
	for _, c := range hostile {
		must(t, s.DropLease(c))
		must(t, s.DropLease(c))
		if d := s.InstanceDir(c); filepath.Dir(d) != s.join(instancesName) || len(filepath.Base(d)) != 32 {
			t.Error("instance directory", d)
		}
	}
	if left := listing(t, s.join(leasesName)); len(left) != 0 {
		t.Error("left:", left)
	}
	for _, c := range []string{"", "\xff"} {
		if err := s.AcquireLease(Lease{Container: c, Snapshot: id}); err == nil {
			t.Errorf("a lease for container %q", c)
		}
	}
	// The snapshot is gone by the time the lease is there: the lease must not stay.
	mustFail(t, s.AcquireLease(Lease{Container: "c", Snapshot: ID{7}}), ErrNoSnapshot)
	if _, err := s.Lease("c"); !errors.Is(err, os.ErrNotExist) {
		t.Error("a lease on nothing stayed:", err)
	}
}

// F32, B154: what cannot be read holds every snapshot.
func TestUnreadableLeaseHoldsEverything(t *testing.T) {
	s := newStore(t)
	id := publish(t, s, "one")
	must(t, s.AcquireLease(Lease{Container: "other", Snapshot: id}))
	good, err := os.ReadFile(s.leasePath("other"))
	must(t, err)
	for name, content := range map[string]string{
		"garbage.json":     "\x00\x01",
		"empty.json":       "",
		"truncated.json":   `{"container":"c","snap`,
		"no snapshot.json": `{"container":"c"}`,
		"copied.json":      string(good), // under another container's name
		"huge.json":        `{"container":"` + strings.Repeat("x", maxLease) + `"}`,
		"types.json":       `{"container":["a"],"snapshot":1}`,
	} {
		path := s.join(leasesName, name)
		must(t, os.WriteFile(path, []byte(content), 0o600))
		leases, err := s.Leases()
		must(t, err)
		if !Leased(leases, ID{9}) {
			t.Errorf("%s holds nothing", name)
		}
		for _, l := range leases {
			if dead, _ := l.Dead(); l.File == name && (l.Unreadable == nil || dead) {
				t.Errorf("%s: %+v", name, l)
			}
		}
		must(t, os.Remove(path))
	}
	must(t, unix.Mkfifo(s.join(leasesName, "pipe.json"), 0o600)) // must not block
	must(t, os.Symlink("/dev/zero", s.join(leasesName, "zero.json")))
	must(t, os.Mkdir(s.join(leasesName, "dir.json"), 0o700))
	leases, err := s.Leases()
	must(t, err)
	if len(leases) != 4 {
		t.Error(leases)
	}
	must(t, os.RemoveAll(s.join(leasesName)))
	if _, err := s.Leases(); err == nil {
		t.Error("a missing directory of leases is no leases")
	}
}

// What keeps the death of a process from being told is said: gc names it.
func TestDeadUntold(t *testing.T) {
	l, err := ProcessLease("c", ID{1}, os.Getpid())
	must(t, err)
	var dead bool
	var why string
	withoutFiles(t, func() { dead, why = l.Dead() })
	if dead || !strings.Contains(why, "cannot be told") {
		t.Errorf("dead=%v (%q)", dead, why)
	}
}

// nested has the test not see every process of the host.
func nested(t *testing.T) {
	was := initialPIDNamespace
	initialPIDNamespace = "pid:[0]"
	t.Cleanup(func() { initialPIDNamespace = was })
}

func TestDead(t *testing.T) {
	nested(t)
	cmd := exec.Command("sleep", "100")
	must(t, cmd.Start())
	alive, err := ProcessLease("c", ID{1}, cmd.Process.Pid)
	must(t, err)
	check := func(what string, l Lease, want bool) {
		t.Helper()
		if dead, why := l.Dead(); dead != want || dead != (why != "") {
			t.Errorf("%s: dead=%v (%q), want %v", what, dead, why, want)
		}
	}
	check("running", alive, false)
	reused := alive
	reused.PIDStart++
	check("number used again", reused, true)
	rebooted := alive
	rebooted.BootID = "00000000-0000-0000-0000-000000000000"
	check("other boot", rebooted, true)
	elsewhere := reused
	elsewhere.PIDNamespace = "pid:[1]"
	check("other namespace", elsewhere, false)
	unknown := reused
	unknown.BootID = ""
	check("no boot id", unknown, false)
	must(t, cmd.Process.Kill())
	cmd.Wait()
	check("killed", alive, true)

	dir := filepath.Join(t.TempDir(), "disk", "instance")
	check("disk not mounted", Lease{Container: "c", Snapshot: ID{1}, Instance: dir}, false)
	must(t, os.MkdirAll(dir, 0o700))
	kept, err := InstanceLease("c", ID{1}, dir)
	must(t, err)
	check("instance there", kept, false)
	must(t, os.Remove(dir))
	check("instance removed", kept, true)
	check("no instance", Lease{Container: "c", Snapshot: ID{1}}, false)
	if _, err := ProcessLease("c", ID{1}, 0); err == nil {
		t.Error("process 0")
	}
	if _, err := ProcessLease("c", ID{1}, 1<<30); err == nil {
		t.Error("a process that cannot be")
	}
}

func TestTrash(t *testing.T) {
	s := newStore(t)
	dir := s.InstanceDir("c")
	must(t, os.MkdirAll(dir+"/u/deep/er", 0o700))
	must(t, s.Trash(dir))
	if _, err := os.Lstat(dir); err == nil {
		t.Error("still there")
	}
	for _, path := range []string{s.Dir(), s.join(objectsName), s.Dir() + "/../x", "/etc/passwd", "relative", s.join(trashName)} {
		if err := s.Trash(path); err == nil {
			t.Errorf("trashed %q", path)
		}
	}
	if err := s.Trash(dir); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	must(t, s.EmptyTrash(t.Context()))
	checkTidy(t, s)
}

// A gc that was killed between taking a snapshot away and looking for leases again left it in
// staging; the next run brings it back if somebody took a lease in between.
func TestLockRestoresALeasedSnapshot(t *testing.T) {
	for _, leased := range []bool{true, false} {
		t.Run(fmt.Sprint(leased), func(t *testing.T) {
			s := newStore(t)
			id := publish(t, s, "one")
			if leased {
				must(t, s.AcquireLease(Lease{Container: "c", Snapshot: id}))
			}
			must(t, s.SetAside(id))
			if _, err := s.Current(); !errors.Is(err, ErrDamaged) {
				t.Error("current of a snapshot set aside:", err)
			}
			l, err := s.Lock()
			must(t, err)
			must(t, l.Unlock())
			_, err = os.Lstat(s.ImagePath(id))
			if (err == nil) != leased {
				t.Error(err)
			}
		})
	}
}

// A lease that cannot be read once it is out of sight goes back, and its container is not done.
func TestReapCannotRead(t *testing.T) {
	s := newStore(t)
	must(t, s.AcquireLease(Lease{Container: "c", Snapshot: publish(t, s, "one"), PID: 1}))
	l, err := s.Lease("c")
	must(t, err)
	withoutFiles(t, func() {
		if done, err := s.Reap(l); done || !errors.Is(err, unix.EMFILE) || !strings.Contains(err.Error(), `lease of "c"`) {
			t.Errorf("reaped: %v, %v", done, err)
		}
	})
	if got, err := s.Lease("c"); err != nil || !sameLease(got, l) {
		t.Errorf("the lease is %v, %v", got, err)
	}
}

func TestReap(t *testing.T) {
	s := newStore(t)
	id := publish(t, s, "one")
	exists := func(path string) bool { _, err := os.Lstat(path); return err == nil }
	take := func(pid int) Lease {
		t.Helper()
		must(t, s.AcquireLease(Lease{Container: "c", Snapshot: id, PID: pid}))
		must(t, os.MkdirAll(s.InstanceDir("c")+"/u", 0o700))
		l, err := s.Lease("c")
		must(t, err)
		return l
	}
	old := take(1)
	newer := take(2) // the id is used again after gc has looked
	if done, err := s.Reap(old); done || err != nil || !exists(s.InstanceDir("c")) {
		t.Error("reaped a newer container:", done, err)
	}
	if l, err := s.Lease("c"); err != nil || !sameLease(l, newer) {
		t.Error("lost the newer lease:", l, err)
	}
	if done, err := s.ReapInstance(filepath.Base(s.InstanceDir("c"))); done || err != nil || !exists(s.InstanceDir("c")) {
		t.Error("took the instance of a lease:", done, err)
	}
	if done, err := s.Reap(newer); !done || err != nil || exists(s.InstanceDir("c")) {
		t.Error("did not reap:", done, err)
	}
	if done, err := s.Reap(newer); done || err != nil {
		t.Error("reaped twice:", done, err)
	}
	take(3)
	must(t, s.DropLease("c"))
	if done, err := s.ReapInstance(filepath.Base(s.InstanceDir("c"))); !done || err != nil || exists(s.InstanceDir("c")) {
		t.Error(done, err)
	}
	// A gc that died in the middle: both are back.
	l := take(4)
	must(t, os.Rename(s.leasePath("c"), s.join(stagingName, leasePrefix+filepath.Base(s.leasePath("c")))))
	must(t, os.Rename(s.InstanceDir("c"), s.join(stagingName, instancePrefix+filepath.Base(s.InstanceDir("c")))))
	lock, err := s.Lock()
	must(t, err)
	must(t, lock.Unlock())
	if got, err := s.Lease("c"); err != nil || !sameLease(got, l) || !exists(s.InstanceDir("c")+"/u") {
		t.Error("a dead gc took a lease with it:", got, err)
	}
	must(t, s.EmptyTrash(t.Context()))
	checkTidy(t, s)
}

// The lease of a process is not synced, so a power cut may leave an empty file. That must not
// keep every snapshot for ever; a damaged file of this boot must.
func TestTornLeases(t *testing.T) {
	s := newStore(t)
	id := publish(t, s, "one")
	must(t, s.AcquireLease(Lease{Container: "whole", Snapshot: id, PID: 1}))
	before := time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, name := range []string{"torn.json", "zeros.json", "today.json"} {
		must(t, os.WriteFile(s.join(leasesName, name), make([]byte, len(name)-len("torn.json")), 0o600))
	}
	for _, name := range []string{"torn.json", "zeros.json", filepath.Base(s.leasePath("whole"))} {
		must(t, os.Chtimes(s.join(leasesName, name), before, before))
	}
	l, err := s.Lock()
	must(t, err)
	must(t, l.Unlock())
	want := []string{filepath.Base(s.leasePath("whole")), "today.json"}
	var got []string
	entries, err := os.ReadDir(s.join(leasesName))
	must(t, err)
	for _, e := range entries {
		got = append(got, e.Name())
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("left %v, want %v", got, want)
	}
}

// A container's bundle is part of its name: each root of a runtime has ids of its own. What an earlier
// version wrote under the id alone still counts.
func TestLeaseOfBundle(t *testing.T) {
	s := newStore(t)
	id := publish(t, s, "one")
	for _, bundle := range []string{"/run/a/c", "/run/b/c/"} {
		must(t, s.AcquireLease(Lease{Container: "c", Bundle: bundle, Snapshot: id, PID: 1}))
	}
	for _, bundle := range []string{"/run/a/c", "/run/a/../b/c"} {
		l, err := s.Lease(HolderName("c", bundle))
		if err != nil || l.Holder() != HolderName("c", bundle) {
			t.Error(l, err)
		}
	}
	if _, err := s.Lease("c"); !errors.Is(err, os.ErrNotExist) {
		t.Error("without a bundle:", err)
	}
	must(t, os.Rename(s.leasePath(HolderName("c", "/run/a/c")), s.leasePath("c")))
	old, err := s.Lease("c")
	if err != nil || old.Bundle != "/run/a/c" {
		t.Fatal("an earlier version's:", old, err)
	}
	must(t, os.MkdirAll(s.InstanceDir("c")+"/u", 0o700))
	if done, err := s.Reap(old); !done || err != nil {
		t.Error("reaped:", done, err)
	}
	if left := listing(t, s.join(leasesName)); len(left) != 1 || len(listing(t, s.join(instancesName))) != 0 {
		t.Error("left:", left)
	}
}

// Whoever was in a process namespace has ended when no process is in it any more. Only the host's own
// namespace tells.
func TestEndedNamespace(t *testing.T) {
	cmd := exec.Command("unshare", "-p", "-f", "--kill-child", "sleep", "100")
	must(t, cmd.Start())
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	inside := ""
	for end := time.Now().Add(10 * time.Second); inside == "" || inside == pidNamespace(); time.Sleep(time.Millisecond) {
		inside, _ = os.Readlink(fmt.Sprintf("/proc/%d/ns/pid_for_children", cmd.Process.Pid))
		if time.Now().After(end) {
			t.Fatal("no namespace")
		}
	}
	boot, err := BootID()
	must(t, err)
	l := Lease{Container: "c", Snapshot: ID{1}, PID: 2, PIDStart: 1, BootID: boot, PIDNamespace: inside}
	was := initialPIDNamespace
	defer func() { initialPIDNamespace = was }()
	initialPIDNamespace = pidNamespace()
	for end := time.Now().Add(10 * time.Second); emptyNamespace(inside); time.Sleep(time.Millisecond) { // until the child is in it
		if time.Now().After(end) {
			t.Fatal("nobody in the namespace")
		}
	}
	if dead, why := l.Dead(); dead {
		t.Error("dead while its namespace lives:", why)
	}
	// Only a child that is a sleep by now has asked to end with its parent.
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		child, _ := os.ReadFile(fmt.Sprintf("/proc/%[1]d/task/%[1]d/children", cmd.Process.Pid))
		if name, _ := os.ReadFile("/proc/" + strings.TrimSpace(string(child)) + "/comm"); string(name) == "sleep\n" {
			break
		}
		if time.Now().After(end) {
			t.Fatal("no sleep in the namespace")
		}
	}
	must(t, cmd.Process.Kill())
	_ = cmd.Wait()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if dead, why := l.Dead(); dead && why == "no process is left in its process namespace" {
			break
		}
		if time.Now().After(end) {
			t.Fatal("not dead though its namespace is")
		}
	}
	initialPIDNamespace = "pid:[1]"
	if dead, _ := l.Dead(); dead {
		t.Error("told from a namespace that does not see all")
	}
}

// A container that its engine has not removed can come again; that its disk is gone removes nothing.
func TestDeadEngine(t *testing.T) {
	containers := filepath.Join(t.TempDir(), "containers")
	dir := filepath.Join(containers, "c")
	if _, err := NewEngineRecord("podman", dir); err == nil {
		t.Error("a record of nothing")
	}
	must(t, os.MkdirAll(dir, 0o700))
	record, err := NewEngineRecord("podman", dir)
	must(t, err)
	l := Lease{Container: "c", Snapshot: ID{1}, PID: 1 << 22, BootID: "another", Engine: record}
	check := func(what string, want bool) {
		t.Helper()
		ended, _ := l.Ended()
		if dead, why := l.Dead(); !ended || dead != want || want && !strings.Contains(why, "podman has removed") {
			t.Errorf("%s: dead=%v (%q), ended=%v", what, dead, why, ended)
		}
	}
	check("stopped", false)
	must(t, os.Rename(containers, containers+".away"))
	check("disk not mounted", false)
	must(t, os.MkdirAll(containers, 0o700))
	check("another disk", false)
	must(t, os.Remove(containers))
	must(t, os.Rename(containers+".away", containers))
	must(t, os.Remove(dir))
	check("removed", true)
}
