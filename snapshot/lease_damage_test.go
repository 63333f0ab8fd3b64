package snapshot

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// refuseOpen makes the kernel refuse every open of a file, as a disk's error or a lack of
// descriptors would: who opens it without waiting gets EWOULDBLOCK.
func refuseOpen(t *testing.T, path string) (allow func()) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	_, err = unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_WRLCK)
	must(t, err)
	return func() { f.Close() }
}

// A lease is torn when it was read whole and holds nothing. One that cannot be opened, and one
// with other content than a lease's, stays, however old, and holds every snapshot.
func TestLockKeepsLeasesItCannotRead(t *testing.T) {
	s := newStore(t)
	id := publish(t, s, "one")
	l, err := ProcessLease("live", id, os.Getpid())
	must(t, err)
	must(t, s.AcquireLease(l))
	whole, err := os.ReadFile(s.leasePath("live"))
	must(t, err)
	for name, content := range map[string]string{"half.json": string(whole[:len(whole)/2]), "zeros at the end.json": string(whole[:9]) + strings.Repeat("\x00", 99),
		"other.json": string(whole), "huge.json": strings.Repeat("\x00", maxLease+1)} {
		must(t, os.WriteFile(s.join(leasesName, name), []byte(content), 0o600))
	}
	must(t, os.WriteFile(s.join(leasesName, "torn.json"), make([]byte, 300), 0o600))
	must(t, unix.Mkfifo(s.join(leasesName, "pipe.json"), 0o600))
	before := listing(t, s.join(leasesName))
	for _, name := range before {
		old := time.Unix(1e9, 0)
		must(t, os.Chtimes(s.join(leasesName, filepath.Base(name)), old, old))
	}
	allow := refuseOpen(t, s.leasePath("live"))
	defer allow()
	lock, err := s.Lock()
	must(t, err)
	must(t, lock.Unlock())
	left := listing(t, s.join(leasesName))
	if len(left) != len(before)-1 {
		t.Errorf("left %v of %v", left, before)
	}
	if _, err := s.Lease("live"); err == nil || errors.Is(err, os.ErrNotExist) || errors.Is(err, ErrTorn) {
		t.Errorf("a lease that cannot be opened: %v", err)
	}
	leases, err := s.Leases()
	must(t, err)
	if !Leased(leases, ID{9}) {
		t.Error("it holds nothing")
	}
	allow()
	if got, err := s.Lease("live"); err != nil || got.PIDStart != l.PIDStart {
		t.Errorf("the lease changed: %+v, %v", got, err)
	}
}

// Where nobody can tell whether the snapshot is there, the lease stays that was there
// before: it may be all that holds a kept instance's snapshot.
func TestAcquireKeepsTheLeaseOfWhatCannotBeSeen(t *testing.T) {
	s := newStore(t)
	id := publish(t, s, "one")
	l := Lease{Container: "instance:/x", Snapshot: id, Instance: "/x"}
	must(t, s.AcquireLease(l))
	dir := s.SnapshotDir(id)
	must(t, os.Rename(dir, dir+"-real"))
	must(t, os.WriteFile(dir, nil, 0o600)) // ENOTDIR below it
	mustFail(t, s.AcquireLease(l), ErrDamaged)
	if got, err := s.Lease(l.Container); err != nil || got.Snapshot != id {
		t.Errorf("%+v, %v", got, err)
	}
}

// A lease that was torn when it was looked at, and is a new container's by now, stays.
func TestTornLeaseIsLookedAtAgain(t *testing.T) {
	s := newStore(t)
	must(t, s.AcquireLease(Lease{Container: "c", Snapshot: publish(t, s, "one"), PID: 1}))
	done, err := s.takeLease(filepath.Base(s.leasePath("c")), func(l Lease) bool { return errors.Is(l.Unreadable, ErrTorn) })
	if done || err != nil {
		t.Error(done, err)
	}
	if _, err := s.Lease("c"); err != nil {
		t.Error(err)
	}
	checkTidy(t, s)
}

// Whether a lease is there nobody can tell: then the instance stays.
func TestReapInstanceKeepsWhatNobodyCanTell(t *testing.T) {
	s := newStore(t)
	dir := s.InstanceDir("c")
	must(t, os.MkdirAll(dir+"/u", 0o700))
	must(t, os.Rename(s.join(leasesName), s.join("elsewhere")))
	must(t, os.Symlink(leasesName, s.join(leasesName))) // ELOOP
	if done, err := s.ReapInstance(filepath.Base(dir)); done || !errors.Is(err, unix.ELOOP) {
		t.Error(done, err)
	}
	if _, err := os.Lstat(dir + "/u"); err != nil {
		t.Error(err)
	}
}

// A kept instance's absence is believed where it was, and nowhere else.
func TestKeptInstanceOnAnUnmountedDisk(t *testing.T) {
	disk := filepath.Join(t.TempDir(), "disk")
	dir := filepath.Join(disk, "instance")
	must(t, os.MkdirAll(dir, 0o700))
	lease, err := InstanceLease("c", ID{1}, dir)
	must(t, err)
	old := lease
	old.Parent = nil
	dead := func(when string, l Lease, want bool) {
		t.Helper()
		if got, why := l.Dead(); got != want || got != (why != "") {
			t.Errorf("%s: dead %v (%q)", when, got, why)
		}
	}
	dead("there", lease, false)
	must(t, os.Rename(disk, disk+"-away"))
	dead("disk gone with its mount point", lease, false)
	must(t, os.Mkdir(disk, 0o755))
	dead("the mount point without its disk", lease, false)
	must(t, os.Remove(disk))
	must(t, os.Symlink("nowhere", disk))
	dead("a link that leads nowhere", lease, false)
	must(t, os.Remove(disk))
	must(t, os.Symlink(disk+"-away", disk))
	dead("there through a link", lease, false)
	must(t, os.Remove(dir))
	dead("removed", lease, true)
	dead("removed, by a lease that does not say where it was", old, false)
	if _, err := InstanceLease("c", ID{1}, "/no/such/dir"); err == nil {
		t.Error("a lease for a directory of no parent")
	}
}

// The same on file systems that come and go, each with a root of the same inode number.
func TestMountKeptInstance(t *testing.T) {
	if !inside(t) {
		return
	}
	for size, mkfs := range map[int64][]string{
		16 << 20:  {"mkfs.ext4", "-q"},
		300 << 20: {"mkfs.xfs", "-q"},
		128 << 20: {"mkfs.btrfs", "-q"},
	} {
		d, other := newDisk(t, size, mkfs...), newDisk(t, size, mkfs...)
		dir := filepath.Join(d.dir, "instance")
		must(t, os.Mkdir(dir, 0o700))
		lease, err := InstanceLease("c", ID{1}, dir)
		must(t, err)
		dead := func(when string, want bool) {
			t.Helper()
			if got, _ := lease.Dead(); got != want {
				t.Errorf("%s, %s: dead %v", mkfs[0], when, got)
			}
		}
		d.unmount(t)
		dead("not mounted", false)
		other.unmount(t)
		command(t, "mount", "-o", "loop", other.image, d.dir)
		dead("another disk in its place", false)
		d.unmount(t)
		other.mount(t) // takes the loop device that it had
		d.mount(t)
		dead("mounted again", false)
		must(t, os.Remove(dir))
		dead("removed", true)
	}
}

// Where a process cannot be seen, the lock of its instance can.
func TestDeadByItsLock(t *testing.T) {
	nested(t)
	dir := t.TempDir()
	l, err := ProcessLease("c", ID{1}, os.Getpid())
	must(t, err)
	l.PIDNamespace, l.Instance, l.Locked = "pid:[1]", dir, true
	young := l
	l.Time = l.Time.Add(-2 * starting)
	dead := func(when string, l Lease, want bool) {
		t.Helper()
		if got, why := l.Dead(); got != want || got != (why != "") {
			t.Errorf("%s: dead %v (%q)", when, got, why)
		}
	}
	f, err := os.Open(dir)
	must(t, err)
	must(t, unix.Flock(int(f.Fd()), unix.LOCK_EX))
	dead("locked", l, false)
	must(t, f.Close())
	dead("free", l, true)
	dead("free, and just begun", young, false)
	hook := l
	hook.Locked = false
	dead("of a holder that does not lock", hook, false)
	l.Instance = filepath.Join(dir, "none")
	dead("no instance", l, true)
	must(t, os.Symlink(dir, l.Instance))
	dead("no directory", l, false)
}

// A zombie is dead; a process whose first thread is one, and others not, lives.
func TestZombies(t *testing.T) {
	const rest = " 1 2 3 0 -1 4228356 5 6 7 8 9 10 11 12 20 0 "
	for stat, alive := range map[string]bool{
		"7 (sh) S" + rest + "1 0 4711 0": true, "7 (a) Z 1) R" + rest + "1 0 4711 0": true, "7 (sh) Z" + rest + "3 0 4711 0": true,
		"7 (sh) Z" + rest + "1 0 4711 0": false, "7 (sh) X" + rest + "1 0 4711 0": false, "7 (sh)": false, "": false,
	} {
		if start, err := parseStat([]byte(stat)); (err == nil) != alive || alive && start != 4711 {
			t.Errorf("%q: %d, %v", stat, start, err)
		}
	}
	p, err := os.StartProcess("/bin/sleep", []string{"sleep", "100"}, &os.ProcAttr{})
	must(t, err)
	l, err := ProcessLease("c", ID{1}, p.Pid)
	must(t, err)
	if dead, _ := l.Dead(); dead {
		t.Error("alive, and called dead")
	}
	must(t, p.Kill())
	var info unix.Siginfo
	must(t, unix.Waitid(unix.P_PID, p.Pid, &info, unix.WEXITED|unix.WNOWAIT, nil))
	if dead, why := l.Dead(); !dead {
		t.Error("a zombie holds its lease")
	} else {
		t.Log(why)
	}
	if _, err := ProcessLease("c", ID{1}, p.Pid); !errors.Is(err, os.ErrNotExist) {
		t.Error("a lease for a zombie:", err)
	}
	_, err = p.Wait()
	must(t, err)
}
