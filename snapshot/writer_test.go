package snapshot

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
)

func TestObjectWriter(t *testing.T) {
	s := newStore(t)
	st, err := s.Begin(t.Context())
	must(t, err)
	defer st.Close()
	big := make([]byte, 3*bufferSize+17)
	rand.Read(big)
	for _, content := range [][]byte{[]byte("x"), bytes.Repeat([]byte("y"), bufferSize), big} {
		for _, exec := range []bool{false, true} {
			w, err := st.NewObject()
			must(t, err)
			// A first try of another length, then from the start: what a cut transfer does.
			w.Write(big[:len(big)/2])
			must(t, w.Truncate())
			for part := range bytes.SplitAfterSeq(content, []byte{content[0]}) {
				if _, err := w.Write(part); err != nil {
					t.Fatal(err)
				}
			}
			if w.Sum() != Sum(content) || w.Size() != int64(len(content)) {
				t.Error("sum or size before commit")
			}
			o, n, err := w.Commit(exec)
			if err != nil || n != int64(len(content)) || o != (Object{Sum(content), exec}) {
				t.Fatal(o, n, err)
			}
			f, err := st.Open(o)
			must(t, err)
			got, err := io.ReadAll(f)
			f.Close()
			if err != nil || !bytes.Equal(got, content) {
				t.Error("read back other bytes", err)
			}
			if fi, _ := os.Stat(f.Name()); uint32(fi.Mode().Perm()) != o.Mode() {
				t.Errorf("mode %v", fi.Mode())
			}
			if _, err := w.Write([]byte("late")); err == nil {
				t.Error("wrote to a committed object")
			}
		}
	}
}

func TestEmptyObjectIsNeverStored(t *testing.T) {
	s := newStore(t)
	st, err := s.Begin(t.Context())
	must(t, err)
	defer st.Close()
	w, err := st.NewObject()
	must(t, err)
	o, n, err := w.Commit(false)
	if err != nil || n != 0 || o.Digest != Sum(nil) {
		t.Error(o, n, err)
	}
	if _, ok := st.Has(o); ok || len(st.staged) != 0 {
		t.Error("stored nothing as something")
	}
}

// Many goroutines, much of it the same: every object is there once, and nothing else is.
func TestStageConcurrent(t *testing.T) {
	s := newStore(t)
	st, err := s.Begin(t.Context())
	must(t, err)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 300 {
				content := strings.Repeat(fmt.Sprintf("content %d ", i), 1+i%3*bufferSize/24)
				if g%2 == 0 {
					if _, err := st.PutBytes([]byte(content), false); err != nil {
						t.Error(err)
					}
					continue
				}
				w, err := st.NewObject()
				if err != nil {
					t.Error(err)
					continue
				}
				io.WriteString(w, content)
				if i%50 == 0 {
					w.Abort()
					continue
				}
				o, _, err := w.Commit(false)
				if err != nil {
					t.Error(err)
				}
				if i%40 == 0 {
					if err := st.Keep(o); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	_, _, err = st.Publish(func(w *os.File) error { _, err := w.WriteString(""); return err }, nil)
	must(t, err)
	must(t, st.Close())
	n := 0
	for _, p := range listing(t, s.ObjectsDir()) {
		if strings.Contains(p, "/") {
			n++
		}
	}
	if n != 300 {
		t.Errorf("%d objects, want 300", n)
	}
	checkStore(t, s.Dir())
	checkTidy(t, s)
}

// Kept objects survive a build that ends without publishing, and cost nothing the next time.
func TestKeepSurvives(t *testing.T) {
	s := newStore(t)
	st, err := s.Begin(t.Context())
	must(t, err)
	kept, err := st.PutBytes([]byte("wheel"), false)
	must(t, err)
	lost, err := st.PutBytes([]byte("file"), false)
	must(t, err)
	must(t, st.Keep(kept))
	must(t, st.Keep(kept))
	if err := st.Keep(Object{Digest: Digest{9}}); err == nil {
		t.Error("kept an object nobody staged")
	}
	must(t, st.Close())
	st, err = s.Begin(t.Context())
	must(t, err)
	defer st.Close()
	if n, ok := st.Has(kept); !ok || n != 5 {
		t.Error("the kept object is gone")
	}
	if _, ok := st.Has(lost); ok {
		t.Error("an object that was not kept is in the pool")
	}
	if _, err := st.Open(lost); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// A damaged object of the pool is not taken for a good one: it is written again.
func TestDamagedObjectIsReplaced(t *testing.T) {
	s := newStore(t)
	publish(t, s, "content")
	o := Object{Digest: Sum([]byte("content"))}
	path := s.join(objectsName, o.Path())
	for _, damage := range []func(){
		func() { must(t, os.Chmod(path, 0o600)); must(t, os.Truncate(path, 3)); must(t, os.Chmod(path, 0o444)) },
		func() { must(t, os.Chmod(path, 0o600)) },
		func() { must(t, os.Remove(path)) },
		func() { must(t, os.Remove(path)); must(t, os.Symlink("/etc/passwd", path)) },
	} {
		damage()
		publish(t, s, "content")
		checkStore(t, s.Dir())
	}
}

func BenchmarkStage(b *testing.B) {
	s := newStore(b)
	st, err := s.Begin(b.Context())
	must(b, err)
	defer st.Close()
	buf := make([]byte, 8<<10)
	b.SetBytes(int64(len(buf)))
	for i := 0; b.Loop(); i++ {
		copy(buf, fmt.Sprint(i))
		if _, err := st.PutBytes(buf, false); err != nil {
			b.Fatal(err)
		}
	}
}
