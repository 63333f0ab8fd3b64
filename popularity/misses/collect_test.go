package misses

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestCollect(t *testing.T) {
	parked, log := t.TempDir(), filepath.Join(t.TempDir(), "misses")
	write(t, parked, "one/pip/u/wheels/ab/a-1.0-py3-none-any.whl", nil)
	write(t, parked, "one/env/u/lib/python3.11/site-packages/b-1.0.dist-info/METADATA", nil)
	write(t, parked, "one/env/w/work/site-packages/work-1.0.dist-info/METADATA", nil)
	write(t, parked, "two/pip/u/wheels/ab/a-1.0-py3-none-any.whl", nil)
	write(t, parked, "empty/pip/u/x", nil)
	write(t, parked, "gone-0123/image.erofs", nil) // a snapshot in the trash
	write(t, parked, "file", nil)
	write(t, parked, ".d-1-a/pip/u/wheels/ab/a-1.0-py3-none-any.whl", nil) // being removed
	if err := os.MkdirAll(filepath.Join(parked, "evil/pip"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(parked, "one/pip/u"), filepath.Join(parked, "evil/pip/u")); err != nil {
		t.Fatal(err)
	}
	const mark = "one/" + readMark
	for i, want := range []int{3, 3, 0} {
		if i == 1 { // killed before it could mark them: the same names count once
			for _, name := range []string{"one", "two", "empty"} {
				if err := os.Remove(filepath.Join(parked, name, readMark)); err != nil {
					t.Fatal(err)
				}
			}
		}
		c, err := Collect(t.Context(), parked, log, day, Limits{}, nil)
		if err != nil || c.Instances != want || c.Misses != want || len(c.Notes) != 0 {
			t.Errorf("round %d: %+v %v", i, c, err)
		}
		if got, _ := counts(t, log); got != "a:2 b:1" {
			t.Errorf("round %d: counted %q", i, got)
		}
	}
	if err := os.Remove(filepath.Join(parked, mark)); err != nil {
		t.Fatal(err)
	}
	c, err := Collect(t.Context(), parked, log, day, Limits{Names: 1}, nil)
	if err != nil || !strings.Contains(strings.Join(c.Notes, "\n"), "one: more than 1 names") {
		t.Errorf("%+v %v", c, err)
	}
	if err := os.Remove(filepath.Join(parked, mark)); err != nil {
		t.Fatal(err)
	}
	alone := filepath.Join(t.TempDir(), "misses")
	if c, err := CollectInstance(t.Context(), filepath.Join(parked, "one"), "run-1", alone, day, Limits{}, nil); err != nil || c.Instances != 1 || c.Misses != 2 {
		t.Errorf("%+v %v", c, err)
	}
	if got, _ := counts(t, alone); got != "a:1 b:1" {
		t.Errorf("counted %q", got)
	}
	if c, err := Collect(t.Context(), filepath.Join(parked, "absent"), log, day, Limits{}, nil); err != nil || c.Instances != 0 {
		t.Errorf("%+v %v", c, err)
	}
}

// What is parked may be anything after damage: a pipe is not waited for.
func TestCollectFromAPipe(t *testing.T) {
	parked := filepath.Join(t.TempDir(), "trash")
	if err := syscall.Mkfifo(parked, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Collect(t.Context(), parked, t.TempDir(), time.Now(), Limits{}, nil); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("%v", err)
	}
}

func TestAppendToAPipe(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, day.UTC().Format(time.DateOnly)+".jsonl"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Append(dir, Report{Instance: "one", Time: day}); err == nil {
		t.Error("appended to a pipe")
	}
}
