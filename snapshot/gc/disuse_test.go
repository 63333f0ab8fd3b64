package gc

import (
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"larder/snapshot"
)

// Without a lease there is no proof, and the snapshot stays. Only plain files can have one, so a pipe
// is as a file system that grants none; and nobody waits for its writer.
func TestDamagedRunWithoutLeases(t *testing.T) {
	s := newStore(t)
	old := publish(t, s, "old")
	publish(t, s, "new")
	must(t, os.Remove(s.ImagePath(old)))
	must(t, unix.Mkfifo(s.ImagePath(old), 0o444))
	begin := time.Now()
	r, err := Run(t.Context(), s, Options{Keep: 1})
	if err == nil || r == nil || len(r.Removed) != 0 || len(r.Kept) != 2 || !strings.Contains(r.Kept[1].Reason, "F_SETLEASE: invalid argument (its file system grants no leases") {
		t.Errorf("%v %+v", err, r)
	}
	if time.Since(begin) > 20*time.Second {
		t.Error("gc waited for the pipe")
	}
}

// Who uses a snapshot that stays is asked only where the kernel says that somebody does, and named.
func TestRunNamesUsers(t *testing.T) {
	s := newStore(t)
	old := publish(t, s, "old")
	publish(t, s, "new")
	asked := 0
	users := func(id snapshot.ID, image *os.File) []string {
		if asked++; id != old || image.Name() != s.ImagePath(old) {
			t.Errorf("asked about %v, %s", id, image.Name())
		}
		return []string{"process 7 (cat) has its image open", "and 3 more"}
	}
	f, err := os.Open(s.ImagePath(old))
	must(t, err)
	r := collect(t, s, Options{Keep: 1, Users: users})
	if len(r.Kept) != 2 || !strings.HasSuffix(r.Kept[1].Reason, "open: process 7 (cat) has its image open, and 3 more") {
		t.Errorf("%+v", r.Kept)
	}
	must(t, f.Close())
	if r := collect(t, s, Options{Keep: 1, Users: users}); len(r.Removed) != 1 || asked != 1 {
		t.Errorf("asked %d times: %+v", asked, r)
	}
}
