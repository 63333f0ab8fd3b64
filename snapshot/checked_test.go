package snapshot

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// reuse publishes a snapshot of objects that the pool has, as an unchanged build does, and returns
// what was said of each and how many bytes were read.
func reuse(t *testing.T, s *Store, contents ...string) (said []error, hashed int64) {
	t.Helper()
	st, err := s.Begin(t.Context())
	must(t, err)
	defer st.Close()
	var names bytes.Buffer
	for i, c := range contents {
		o := objectOf(i, c)
		said = append(said, st.Reuse(o, int64(len(c))))
		if again := st.Reuse(o, int64(len(c))); (again == nil) != (said[len(said)-1] == nil) {
			t.Errorf("%v, and then %v", said[len(said)-1], again)
		}
		if _, ok := st.Has(o); ok != (said[len(said)-1] == nil) {
			t.Errorf("%v, and it is there: %t", said[len(said)-1], ok)
		}
		fmt.Fprintln(&names, o.Path())
	}
	_, _, err = st.Publish(func(w *os.File) error { _, err := w.Write(names.Bytes()); return err }, nil)
	must(t, err)
	return said, st.Hashed()
}

// objectOf is what build makes of its i-th content.
func objectOf(i int, c string) Object { return Object{Digest: Sum([]byte(c)), Exec: i%2 == 1} }

func many(n int) (contents []string) {
	for i := range n {
		contents = append(contents, fmt.Sprintf("content %04d", i))
	}
	return contents
}

// What a build put there the next one reads in turn: so many builds read each byte once.
func TestReuseReadsInTurn(t *testing.T) {
	s, contents := newStore(t), many(200)
	publish(t, s, contents...)
	var sum int64
	for range shares {
		said, hashed := reuse(t, s, contents...)
		must(t, errors.Join(said...))
		if hashed > 2*200*12/shares {
			t.Errorf("one build read %d bytes", hashed)
		}
		sum += hashed
	}
	if sum != 200*12 {
		t.Errorf("%d builds read %d bytes of %d", shares, sum, 200*12)
	}
}

// Whatever is done to a file, the next build sees it; a disk that changes bytes and tells nobody is
// found out in so many builds.
func TestReuseSeesDamage(t *testing.T) {
	const content = "content 0006"
	o := Object{Digest: Sum([]byte(content))}
	path := func(s *Store) string { return s.join(objectsName, o.Path()) }
	for name, damage := range map[string]func(t *testing.T, s *Store){
		"flipped": func(t *testing.T, s *Store) { overwrite(t, path(s), []byte("content 0O06")) },
		"flipped, with its old times": func(t *testing.T, s *Store) {
			overwrite(t, path(s), []byte("content 0O06"))
			must(t, os.Chtimes(path(s), time.Unix(Epoch, 0), time.Unix(Epoch, 0)))
		},
		"replaced": func(t *testing.T, s *Store) {
			must(t, os.WriteFile(path(s)+"~", []byte("content 0O06"), 0o444))
			must(t, os.Rename(path(s)+"~", path(s)))
		},
		"short":       func(t *testing.T, s *Store) { overwrite(t, path(s), []byte("con")) },
		"long":        func(t *testing.T, s *Store) { overwrite(t, path(s), []byte(content+"\n")) },
		"missing":     func(t *testing.T, s *Store) { must(t, os.Remove(path(s))) },
		"writable":    func(t *testing.T, s *Store) { must(t, os.Chmod(path(s), 0o644)) },
		"a link":      func(t *testing.T, s *Store) { must(t, os.Remove(path(s))); must(t, os.Symlink("x", path(s))) },
		"a pipe":      func(t *testing.T, s *Store) { must(t, os.Remove(path(s))); must(t, unix.Mkfifo(path(s), 0o444)) },
		"a directory": func(t *testing.T, s *Store) { must(t, os.Remove(path(s))); must(t, os.Mkdir(path(s), 0o444)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, contents := newStore(t), many(10)
			publish(t, s, contents...)
			damage(t, s)
			said, _ := reuse(t, s, contents...)
			for i, err := range said {
				if i == 6 {
					mustFail(t, err, ErrDamaged)
				} else {
					must(t, err)
				}
			}
			if errors.Is(said[6], fs.ErrNotExist) != (name == "missing") {
				t.Error(said[6])
			}
			// It is not known to be right by being seen again.
			said, _ = reuse(t, s, contents...)
			mustFail(t, said[6], ErrDamaged)
			publish(t, s, contents...)
			said, _ = reuse(t, s, contents...)
			must(t, errors.Join(said...))
		})
	}
	t.Run("by the disk", func(t *testing.T) {
		s, contents := newStore(t), many(10)
		publish(t, s, contents...)
		overwrite(t, path(s), []byte("content 0O06"))
		forge(t, s, o)
		found := 0
		for range shares {
			said, _ := reuse(t, s, contents...)
			if said[6] != nil {
				mustFail(t, said[6], ErrDamaged)
				found++
				break
			}
		}
		if found != 1 {
			t.Errorf("%d builds did not find it", shares)
		}
	})
}

// forge makes the store believe that an object's file is as it was.
func forge(t *testing.T, s *Store, o Object) {
	t.Helper()
	var ino unix.Stat_t
	must(t, unix.Lstat(s.join(objectsName, o.Path()), &ino))
	c := s.readChecked()
	c.ctime[o.key()] = ino.Ctim.Nano()
	must(t, os.WriteFile(s.join(checkedName), c.encode(), 0o600))
}

// A file of known times that is missing, torn or another's costs a reading, and nothing else.
func TestReuseWithoutMemory(t *testing.T) {
	contents := many(50)
	const all = 50 * 12
	for name, damage := range map[string]func(b []byte) []byte{
		"missing":        nil,
		"empty":          func([]byte) []byte { return nil },
		"zeros":          func(b []byte) []byte { return make([]byte, len(b)) },
		"other shares":   func(b []byte) []byte { return bytes.Replace(b, []byte("of 8"), []byte("of 9"), 1) },
		"impossible":     func(b []byte) []byte { return bytes.Replace(b, []byte("turn 1"), []byte("turn 8"), 1) },
		"another format": func(b []byte) []byte { return bytes.Replace(b, []byte("checked 1"), []byte("checked 2"), 1) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			publish(t, s, contents...)
			path := s.join(checkedName)
			b, err := os.ReadFile(path)
			must(t, err)
			must(t, os.Remove(path))
			if damage != nil {
				must(t, os.WriteFile(path, damage(b), 0o600))
			}
			for i, want := range []int64{all, all / 2} {
				said, hashed := reuse(t, s, contents...)
				must(t, errors.Join(said...))
				if i == 0 && hashed != want || i == 1 && hashed > want {
					t.Errorf("build %d read %d bytes", i, hashed)
				}
			}
		})
	}
	t.Run("every cut", func(t *testing.T) {
		s := newStore(t)
		publish(t, s, contents[:3]...)
		b, err := os.ReadFile(s.join(checkedName))
		must(t, err)
		whole := s.readChecked().ctime
		if len(whole) != 3 {
			t.Error(whole)
		}
		for n := range b {
			must(t, os.WriteFile(s.join(checkedName), b[:n], 0o600))
			for k, ctime := range s.readChecked().ctime {
				if whole[k] != ctime {
					t.Errorf("cut at %d: %x has ctime %d, want %d", n, k, ctime, whole[k])
				}
			}
		}
	})
}

// Every digest is in one part, whatever their number, and no part is much larger than another.
func TestPart(t *testing.T) {
	for _, n := range []int{1, 2, 7, 8, 100} {
		count := make([]int, n)
		for i := range 100 * n {
			count[Sum(fmt.Append(nil, i)).Part(n)]++
		}
		for part, c := range count {
			if c < 50 || c > 150 {
				t.Errorf("%d of %d: %d of %d digests", part, n, c, 100*n)
			}
		}
	}
}
