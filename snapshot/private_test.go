package snapshot

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// writes is what fills an image in these tests, and counts how often that was asked for.
func writes(n *atomic.Int32, text string) func(*os.File) error {
	return func(f *os.File) error {
		n.Add(1)
		time.Sleep(20 * time.Millisecond) // the others come meanwhile
		_, err := f.WriteString(text)
		return err
	}
}

// Of many that seal the same at once one does, and all have it.
func TestSealPrivateOnce(t *testing.T) {
	s := newStore(t)
	id, name := publish(t, s, "a"), Sum([]byte("environment"))
	if _, err := s.FindPrivate(id, name); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("one that nobody sealed: %v", err)
	}
	var n atomic.Int32
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			p, err := s.SealPrivate(id, name, Private{Target: "t", Lock: "l"}, writes(&n, "image"))
			if err != nil || p.Image != Sum([]byte("image")) || p.Size != 5 || p.Target != "t" || p.Lock != "l" {
				t.Errorf("%+v, %v", p, err)
			}
		})
	}
	wait.Wait()
	if n.Load() != 1 {
		t.Errorf("it was written %d times", n.Load())
	}
	all, err := s.Privates(id)
	if err != nil || len(all) != 1 || all[0].Name != name.String() || all[0].Gone() || all[0].Unreadable != nil {
		t.Errorf("%+v, %v", all, err)
	}
	if b, err := os.ReadFile(all[0].ImagePath()); err != nil || string(b) != "image" {
		t.Errorf("%q, %v", b, err)
	}
}

// What a killed process left of an image is gone on with, at any of its steps; a writer that lives is waited for.
func TestSealPrivateAfterAKill(t *testing.T) {
	s := newStore(t)
	id := publish(t, s, "a")
	for step, left := range map[string][]string{"nothing written": {}, "half an image": {imageName}, "not renamed": {imageName, sealedName}} {
		name := Sum([]byte(step))
		aside := filepath.Join(s.PrivateDir(id), tempPrefix+name.String())
		must(t, os.MkdirAll(aside, 0o700))
		for _, file := range left {
			must(t, os.WriteFile(filepath.Join(aside, file), []byte("half"), 0o400))
		}
		var n atomic.Int32
		if p, err := s.SealPrivate(id, name, Private{}, writes(&n, "whole")); err != nil || p.Image != Sum([]byte("whole")) || n.Load() != 1 {
			t.Errorf("%s: %+v, %v", step, p, err)
		}
		if _, err := os.Lstat(aside); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: what was left is there still: %v", step, err)
		}
	}

	name := Sum([]byte("locked"))
	aside := filepath.Join(s.PrivateDir(id), tempPrefix+name.String())
	must(t, os.Mkdir(aside, 0o700))
	f, err := os.Open(aside)
	must(t, err)
	must(t, lockFile(f))
	time.AfterFunc(50*time.Millisecond, func() { f.Close() })
	var n atomic.Int32
	if _, err := s.SealPrivate(id, name, Private{}, writes(&n, "whole")); err != nil || n.Load() != 1 {
		t.Error(err)
	}
}

// What cannot be sealed leaves nothing, and says why.
func TestSealPrivateFails(t *testing.T) {
	s := newStore(t)
	id, name := publish(t, s, "a"), Sum([]byte("environment"))
	_, err := s.SealPrivate(id, name, Private{}, func(f *os.File) error {
		_, _ = f.WriteString("half")
		return unix.ENOSPC
	})
	mustFail(t, err, ErrSpace, "seal a private image: free")
	if left := listing(t, s.PrivateDir(id)); len(left) > 0 {
		t.Errorf("it left %q", left)
	}
	for _, errno := range []error{unix.EROFS, unix.EIO} {
		_, err = s.SealPrivate(id, name, Private{}, func(f *os.File) error { return errno })
		if !errors.Is(err, errno) {
			t.Errorf("%v", err)
		}
	}

	defer func(was int64) { privateLimit = was }(privateLimit)
	privateLimit = 5
	var n atomic.Int32
	_, err = s.SealPrivate(id, name, Private{}, writes(&n, "image"))
	must(t, err)
	_, err = s.SealPrivate(id, Sum([]byte("another")), Private{}, writes(&n, "image"))
	mustFail(t, err, ErrSpace, "take 0 KiB")
	if n.Load() != 1 {
		t.Error("one above the limit was written")
	}
	if _, err = s.SealPrivate(id, name, Private{}, writes(&n, "image")); err != nil {
		t.Errorf("one that is there already: %v", err)
	}
	if left := listing(t, s.PrivateDir(id)); len(left) != 3 {
		t.Errorf("there are %q", left)
	}
}

// Each use is noted, and not more often than it matters.
func TestPrivateUsed(t *testing.T) {
	s := newStore(t)
	id, name := publish(t, s, "a"), Sum([]byte("environment"))
	var n atomic.Int32
	p, err := s.SealPrivate(id, name, Private{}, writes(&n, "image"))
	must(t, err)
	note := filepath.Join(p.Dir, sealedName)
	for ago, noted := range map[time.Duration]bool{time.Minute: false, 24 * time.Hour: true, -24 * time.Hour: true} {
		was := time.Now().Add(-ago)
		must(t, os.Chtimes(note, was, was))
		_, err := s.FindPrivate(id, name)
		must(t, err)
		all, err := s.Privates(id)
		must(t, err)
		if got := time.Since(all[0].Used).Abs() < 30*time.Second; got != noted {
			t.Errorf("used %v ago: noted %v", ago, got)
		}
	}
	must(t, os.Chmod(note, 0o600))
	must(t, os.WriteFile(note, []byte("{"), 0o600))
	if _, err := s.FindPrivate(id, name); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a torn note: %v", err)
	}
}

// One that is retired is found by nobody, keeps its place among what the snapshot has, and makes room for another.
func TestRetirePrivate(t *testing.T) {
	s := newStore(t)
	id, name := publish(t, s, "a"), Sum([]byte("environment"))
	var n atomic.Int32
	for i := range 3 {
		p, err := s.SealPrivate(id, name, Private{}, writes(&n, "image"))
		must(t, err)
		if p, err = s.RetirePrivate(p); err != nil || !p.Gone() {
			t.Fatalf("%+v, %v", p, err)
		}
		if _, err := s.FindPrivate(id, name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("it is found: %v", err)
		}
		all, err := s.Privates(id)
		if err != nil || len(all) != i+1 {
			t.Fatalf("%+v, %v", all, err)
		}
	}
	all, err := s.Privates(id)
	must(t, err)
	f, err := os.Open(all[0].Dir)
	must(t, err)
	must(t, lockFile(f))
	if done, err := s.DropPrivate(all[0]); done || err != nil {
		t.Errorf("one that is locked: %v, %v", done, err)
	}
	f.Close()
	for _, p := range all {
		if done, err := s.DropPrivate(p); !done || err != nil {
			t.Errorf("%v, %v", done, err)
		}
		if done, err := s.DropPrivate(p); done || err != nil {
			t.Errorf("twice: %v, %v", done, err)
		}
	}
	if left := strings.Join(listing(t, s.PrivateDir(id)), " "); left != "" {
		t.Errorf("%s is left", left)
	}
}
