package pypi_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"larder/builder"
	"larder/builder/pypi/pypitest"
)

// No wheel is to blame for a fault of the host: a ranked one is not skipped for it, a locked one
// is not refused for it, and the build says the errno.
func TestBuildFailsOfAHostFault(t *testing.T) {
	gone := func(dir string) error { return os.Remove(dir) }
	file := func(dir string) error { return errors.Join(os.Remove(dir), os.WriteFile(dir, nil, 0o600)) }
	loop := func(dir string) error { return errors.Join(os.Remove(dir), os.Symlink(dir, dir)) }
	for errno, fault := range map[syscall.Errno]func(string) error{syscall.ENOENT: gone, syscall.ENOTDIR: file, syscall.ELOOP: loop} {
		for _, of := range []string{"ranking", "lock"} {
			t.Run(of+": "+errno.Error(), func(t *testing.T) {
				w := newWorld(t, pypitest.Options{})
				w.add(pypitest.Wheel{Name: "alpha", Version: "1.0"})
				ask := ranking("alpha")
				if of == "lock" {
					ask = w.lock("requirements.txt", "alpha==1.0\n")
				}
				// Once the index has answered, the directory that wheels are staged in fails.
				fail := func(c *builder.Config) {
					c.Progress = func(e builder.Event) {
						stages, _ := filepath.Glob(filepath.Join(w.store.Dir(), "staging", "build-*"))
						if e.Stage != "plan" || len(stages) != 1 {
							return
						}
						if fi, err := os.Lstat(stages[0]); err == nil && fi.IsDir() {
							if err := fault(stages[0]); err != nil {
								t.Error(err)
							}
						}
					}
				}
				r, err := w.build(ask, fail)
				if !errors.Is(err, errno) || errors.Is(err, builder.ErrRefused) || len(r.Skipped) > 0 {
					t.Errorf("build: %v, skipped %v; want %v", err, r.Skipped, errno)
				}
			})
		}
	}
}
