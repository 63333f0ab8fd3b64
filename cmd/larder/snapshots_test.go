package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"larder/snapshot"
)

// stockListing is what ls, show and du print, as far as these tests look.
type stockListing struct {
	Snapshots []struct {
		ID        snapshot.ID `json:"id"`
		Current   bool        `json:"current"`
		Previous  bool        `json:"previous"`
		Users     int         `json:"users"`
		Artifacts *int        `json:"artifact_count"`
		Objects   int         `json:"objects"`
		Bytes     int64       `json:"bytes"`
		Own       int64       `json:"own_bytes"`
		Image     int64       `json:"image_bytes"`
	} `json:"snapshots"`
	Own    int64 `json:"own_bytes"`
	Shared int64 `json:"shared_bytes"`
	Store  struct {
		Objects int    `json:"objects"`
		Pool    int64  `json:"object_bytes"`
		Images  int64  `json:"image_bytes"`
		Trash   int64  `json:"trash_bytes"`
		Total   int64  `json:"total_bytes"`
		Freed   *int64 `json:"freed_by_gc"`
	} `json:"store"`
	Added   int64 `json:"added_bytes"`
	Removed int64 `json:"removed_bytes"`
}

func list(t *testing.T, store string, args ...string) (l stockListing) {
	t.Helper()
	out, err := larder(t, store, append(args, "--json")...)
	if err == nil {
		err = json.Unmarshal([]byte(out), &l)
	}
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return l
}

// What a snapshot has alone is what gc frees with it, by every command that says so and by gc itself.
func TestOwnBytesAreWhatGCFrees(t *testing.T) {
	s, old, _ := stockedStore(t)
	third := stock(t, s, "flask==3.0.3", "numpy==2.0.1", "six==1.0")
	lease, err := snapshot.ProcessLease("c1", old, os.Getpid())
	if err == nil {
		err = s.AcquireLease(lease)
	}
	if err != nil {
		t.Fatal(err)
	}
	ls := list(t, s.Dir(), "ls")
	if got := ls.Snapshots; len(got) != 3 || got[0].ID != third || !got[0].Current || !got[1].Previous || got[2].Users != 1 || got[0].Users != 0 ||
		*got[0].Artifacts != 3 || *got[2].Artifacts != 1 {
		t.Errorf("ls: %+v", got)
	}
	// The middle one has nothing but its manifest alone, which both neighbours lack.
	middle, oldest := ls.Snapshots[1], ls.Snapshots[2]
	if middle.Own <= 0 || middle.Own >= middle.Bytes {
		t.Errorf("the middle one: %+v", middle)
	}
	du := list(t, s.Dir(), "du", old.String())
	if du.Own != oldest.Own+oldest.Image || du.Shared != oldest.Bytes-oldest.Own {
		t.Errorf("du %+v, ls %+v", du, oldest)
	}
	if diff := list(t, s.Dir(), "diff", "previous", "current"); diff.Removed != middle.Own || diff.Added <= diff.Removed {
		t.Errorf("diff %+v", diff)
	}
	if err := s.DropLease("c1"); err != nil {
		t.Fatal(err)
	}
	// By the default rules nothing goes; when two go, what was said is what gc says it removed.
	if freed := du.Store.Freed; freed == nil || *freed != list(t, s.Dir(), "du").Store.Trash {
		t.Errorf("freed by default: %v", freed)
	}
	if du.Store.Objects < 10 || du.Store.Pool != int64(du.Store.Objects)*4096 || du.Store.Total < du.Store.Pool+du.Store.Images {
		t.Errorf("store %+v", du.Store)
	}
	out, err := configured(t, s.Dir(), "[gc]\nkeep = 1\n", "du", "--json")
	var keepOne stockListing
	if err != nil || json.Unmarshal([]byte(out), &keepOne) != nil || keepOne.Store.Freed == nil || *keepOne.Store.Freed <= *du.Store.Freed {
		t.Fatalf("du with keep 1: %v\n%s", err, out)
	}
	if _, err := larder(t, s.Dir(), "gc", "--keep", "1"); err != nil {
		t.Fatal(err)
	}
	after := list(t, s.Dir(), "du")
	pool := keepOne.Store.Pool + keepOne.Store.Images - after.Store.Pool - after.Store.Images
	// The snapshots' directories and published.json go besides.
	if want := *keepOne.Store.Freed - keepOne.Store.Trash; pool < want || pool > want+4*4096*2 {
		t.Errorf("du said %d would go, %d went", want, pool)
	}
}

// What cannot be read of one snapshot is a warning: the others are listed, and gc's answer is unknown.
func TestListingWithADamagedImage(t *testing.T) {
	s, old, current := stockedStore(t)
	if err := os.Chmod(s.ImagePath(old), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(s.ImagePath(old), 100); err != nil {
		t.Fatal(err)
	}
	out := says(t, s.Dir(), []string{"ls"}, current.Short(), old.Short())
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, old.Short()) && strings.Count(line, "?") != 3 {
			t.Errorf("of the damaged one: %s", line)
		}
	}
	if du := list(t, s.Dir(), "du"); du.Store.Freed != nil {
		t.Errorf("freed by gc: %d", *du.Store.Freed)
	}
}

// A snapshot that nothing new attaches is marked wherever snapshots are listed, with the reason.
func TestListingOfABadSnapshot(t *testing.T) {
	s, old, current := stockedStore(t)
	text := `{"since":"2026-11-22T00:00:00Z","revoked":["evil 1.0 (it steals)"]}`
	if err := os.WriteFile(s.BadPath(old), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out := says(t, s.Dir(), []string{"ls"}, "previous, bad: revoked: evil 1.0 (it steals)\n", "  current\n")
	if strings.Count(out, "bad") != 1 {
		t.Errorf("ls: %s", out)
	}
	says(t, s.Dir(), []string{"ls", "--json"}, `"revoked": [`)
	says(t, s.Dir(), []string{"show", old.String()}, "bad: revoked: evil 1.0 (it steals)")
	if err := os.Rename(s.BadPath(old), s.BadPath(current)); err != nil {
		t.Fatal(err)
	}
	look := storeLook{dir: s.Dir()}
	if k := look.current(s); k.State != stateWarn || !strings.Contains(k.Detail, "is marked bad") || look.manifest == nil {
		t.Errorf("doctor: %+v", k)
	}
}
