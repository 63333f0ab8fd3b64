package snapshot

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// overwrite changes a file where it lies, and leaves its mode.
func overwrite(t *testing.T, path string, b []byte) {
	t.Helper()
	fi, err := os.Stat(path)
	must(t, err)
	must(t, os.Chmod(path, 0o600))
	must(t, os.WriteFile(path, b, 0o600))
	must(t, os.Chmod(path, fi.Mode()))
}

func TestCheckObject(t *testing.T) {
	s := newStore(t)
	publish(t, s, "content", "other")
	o := Object{Digest: Sum([]byte("content"))}
	path := s.join(objectsName, o.Path())
	if n, err := s.CheckObject(o); err != nil || n != 7 {
		t.Error(n, err)
	}
	for name, damage := range map[string]func(){
		"other bytes":   func() { overwrite(t, path, []byte("cOntent")) },
		"is missing":    func() { must(t, os.Remove(path)) },
		"mode 0644":     func() { must(t, os.Chmod(path, 0o644)) },
		"not a plain":   func() { must(t, os.Remove(path)); must(t, unix.Mkfifo(path, 0o444)) },
		"symbolic link": func() { must(t, os.Remove(path)); must(t, os.Symlink("x", path)) },
	} {
		damage()
		_, err := s.CheckObject(o)
		mustFail(t, err, ErrDamaged)
		if !strings.Contains(err.Error(), o.Path()) || !strings.Contains(err.Error(), name) || errors.Is(err, fs.ErrNotExist) != (name == "is missing") {
			t.Errorf("%s: %v", name, err)
		}
		publish(t, s, "content", "other")
		checkStore(t, s.Dir())
	}
}

// Content that was just hashed takes the place of a damaged file of the same size, kept
// or published, small or large; what Check found damaged is not there.
func TestRightBytesWin(t *testing.T) {
	for _, size := range []int{9, 3 * bufferSize} {
		content := bytes.Repeat([]byte("x"), size)
		wrong := bytes.Clone(content)
		wrong[size/2] ^= 1
		o := Object{Digest: Sum(content)}
		for name, stage := range map[string]func(*Stage) error{
			"put": func(st *Stage) error { _, err := st.PutBytes(content, false); return err },
			"commit": func(st *Stage) error {
				w, err := st.NewObject()
				must(t, err)
				_, err = w.Write(content)
				must(t, err)
				_, _, err = w.Commit(false)
				return err
			},
			"checked before": func(st *Stage) error {
				if _, err := st.Check(o); !errors.Is(err, ErrDamaged) {
					t.Error("check:", err)
				}
				if _, ok := st.Has(o); ok {
					t.Error("a damaged object is there")
				}
				if f, err := st.Open(o); err == nil {
					f.Close()
					t.Error("opened a damaged object")
				}
				_, err := st.PutBytes(content, false)
				return err
			},
			"a directory": func(st *Stage) error {
				path := st.store.join(objectsName, o.Path())
				must(t, os.Remove(path))
				must(t, os.MkdirAll(path+"/below", 0o755))
				_, err := st.PutBytes(content, false)
				return err
			},
		} {
			for _, keep := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s/%d/keep=%t", name, size, keep), func(t *testing.T) {
					s := newStore(t)
					publish(t, s, string(content))
					overwrite(t, s.join(objectsName, o.Path()), wrong)
					st, err := s.Begin(t.Context())
					must(t, err)
					defer st.Close()
					must(t, stage(st))
					if keep {
						must(t, st.Keep(o))
					}
					if n, ok := st.Has(o); !ok || n != int64(size) {
						t.Error("the right bytes are not there", n, ok)
					}
					_, _, err = st.Publish(func(w *os.File) error { _, err := fmt.Fprintln(w, o.Path()); return err }, nil)
					must(t, err)
					must(t, st.Close())
					checkStore(t, s.Dir())
					checkTidy(t, s)
				})
			}
		}
	}
}

// A damaged snapshot is replaced at one instant: whoever kills the build, current names
// it before and after, the next build ends it, and its place in the order is its own.
func TestDamagedSnapshotReplacedAtEveryStep(t *testing.T) {
	for _, step := range publishSteps {
		for _, file := range []string{imageName, publishedName} {
			t.Run(step.name+"/"+file, func(t *testing.T) {
				t.Parallel()
				dir := filepath.Join(t.TempDir(), "store")
				s, err := OpenOrCreate(dir)
				must(t, err)
				must(t, runBuild(t, dir, ""))
				id, err := s.Current()
				must(t, err)
				later := publish(t, s, "later")
				overwrite(t, filepath.Join(s.SnapshotDir(id), file), []byte("{"))
				if err := runBuild(t, dir, step.name); err == nil {
					t.Fatal("the build was not killed")
				}
				if cur, err := s.Current(); err != nil || cur != later && cur != id {
					t.Error("current:", cur.Short(), err)
				}
				if _, err := os.Lstat(s.ImagePath(id)); err != nil {
					t.Error(err)
				}
				if cur, err := s.Current(); err == nil && cur == id {
					must(t, s.CheckImage(id))
				}
				must(t, runBuild(t, dir, ""))
				checkStore(t, dir, id, later)
				checkTidy(t, s)
				all, err := s.List()
				must(t, err)
				if file == imageName && (len(all) != 2 || all[0].ID != later || all[1].Sequence != 1) {
					t.Errorf("list: %+v", all)
				}
				must(t, s.CheckPublished(id))
			})
		}
	}
}
