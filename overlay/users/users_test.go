package users

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"larder/snapshot"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// hold writes a lease on a snapshot that is said to be there.
func hold(t *testing.T, s *snapshot.Store, l snapshot.Lease) {
	t.Helper()
	l.Snapshot = snapshot.Sum([]byte("one"))
	must(t, os.MkdirAll(s.SnapshotDir(l.Snapshot), 0o700))
	must(t, os.WriteFile(s.ImagePath(l.Snapshot), nil, 0o600))
	must(t, s.AcquireLease(l))
}

func TestList(t *testing.T) {
	s, err := snapshot.Create(filepath.Join(t.TempDir(), "store"))
	must(t, err)
	boot, err := snapshot.BootID()
	must(t, err)
	live, err := snapshot.ProcessLease("live", snapshot.ID{}, os.Getpid())
	must(t, err)
	live.Bundle, live.Instance = "/run/bundle", s.InstanceDir("live")
	hold(t, s, live)
	hold(t, s, snapshot.Lease{Container: "dead", PID: 1 << 22, BootID: boot})
	hold(t, s, snapshot.Lease{Container: "before", PID: os.Getpid(), BootID: "another"})
	must(t, os.WriteFile(s.LeasePath("torn.json"), []byte("{"), 0o600))
	kept := filepath.Join(t.TempDir(), "kept")
	must(t, os.Mkdir(kept, 0o700))
	hold(t, s, snapshot.Lease{Container: "instance:" + kept, Instance: kept})

	note, err := snapshot.Attached{Time: time.Now(), Snapshot: snapshot.Sum([]byte("one")), Profile: "default", View: "/mnt/v",
		Mounts: []snapshot.Mounted{{Part: "toy", Dir: "toy", Path: "/cache", Lowers: []string{"views/toy"}}}}.Encode()
	must(t, err)
	must(t, os.MkdirAll(filepath.Join(live.Instance, "toy/u/deep"), 0o700))
	must(t, os.WriteFile(filepath.Join(live.Instance, snapshot.AttachedName), note, 0o600))
	must(t, os.WriteFile(filepath.Join(live.Instance, "toy/u/deep/big"), make([]byte, 1<<20), 0o600))
	must(t, os.Link(filepath.Join(live.Instance, "toy/u/deep/big"), filepath.Join(live.Instance, "toy/u/again")))

	list, err := List(t.Context(), s, Limits{Time: time.Minute})
	must(t, err)
	found := map[string]User{}
	for _, u := range list {
		found[u.Name] = u
	}
	if u := found["live"]; u.Kind != Container || u.State != Running || u.Profile != "default" || u.View != "/mnt/v" || len(u.Mounts) != 1 || u.Mounts[0].Path != "/cache" {
		t.Errorf("live: %+v", u)
	} else if u.UpperBytes < 1<<20 || u.UpperBytes > 1<<20+100_000 || !u.UpperWhole {
		t.Errorf("its upper: %d bytes, whole %t", u.UpperBytes, u.UpperWhole)
	}
	for name, want := range map[string]string{"dead": "dead: process 4194304 is gone", "before": "dead: the host was started again", "instance:" + kept: "idle: "} {
		if u := found[name]; u.State+": "+u.Reason != want || u.Mounts == nil {
			t.Errorf("%s: %+v", name, u)
		}
	}
	if u := found["torn.json"]; u.State != Unreadable || u.Reason == "" {
		t.Errorf("torn: %+v", u)
	}
	fd, err := os.Open(kept)
	must(t, err)
	defer fd.Close()
	must(t, unix.Flock(int(fd.Fd()), unix.LOCK_EX))
	list, err = List(t.Context(), s, Limits{})
	must(t, err)
	for _, u := range list {
		if u.Kind == Kept && u.State != Running {
			t.Errorf("a kept instance in use: %+v", u)
		}
	}
}

// An upper is hostile: neither its size nor its depth nor its links cost more than the limits.
func TestHostileUpper(t *testing.T) {
	s, err := snapshot.Create(filepath.Join(t.TempDir(), "store"))
	must(t, err)
	outside := t.TempDir()
	must(t, os.WriteFile(filepath.Join(outside, "big"), make([]byte, 4<<20), 0o600))
	dir := s.InstanceDir("c")
	upper := filepath.Join(dir, "toy/u")
	must(t, os.MkdirAll(upper, 0o700))
	must(t, os.Symlink(outside, filepath.Join(upper, "link")))
	must(t, unix.Mkfifo(filepath.Join(upper, "pipe"), 0o600))
	must(t, os.MkdirAll(filepath.Join(dir, "evil"), 0o700))
	must(t, os.Symlink(outside, filepath.Join(dir, "evil/u")))
	if n, whole := written(dir, Limits{Entries: 1000, Time: time.Minute}); n > 1<<20 || whole {
		t.Errorf("%d bytes, whole %t: the link in place of an upper is no upper", n, whole)
	}
	for n := range 50 {
		must(t, os.WriteFile(filepath.Join(upper, fmt.Sprint(n)), nil, 0o600))
	}
	must(t, os.MkdirAll(filepath.Join(upper, strings.Repeat("d/", 2*deepest)), 0o700))
	if _, whole := written(dir, Limits{Entries: 20, Time: time.Minute}); whole {
		t.Error("all of it, beyond the limit of entries")
	}
	if _, whole := written(dir, Limits{Entries: 1000, Time: time.Minute}); whole {
		t.Error("all of it, beyond the depth")
	}
	if _, whole := written(dir, Limits{Entries: 1000, Time: -1}); whole {
		t.Error("all of it, in no time")
	}
	if n, whole := written(filepath.Join(outside, "none"), Limits{}); n != 0 || !whole {
		t.Errorf("of no instance: %d, %t", n, whole)
	}
}
