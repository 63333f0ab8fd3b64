//go:build linux

package instance_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"larder/overlay"
	"larder/overlay/instance"
)

const somebody = 12345

// exchanger is another user who exchanges two names as fast as it can.
type exchanger struct {
	sync.Mutex // held while it must not
	stop       atomic.Bool
	done       sync.WaitGroup
}

func exchange(a, b string) *exchanger {
	x := &exchanger{}
	x.done.Go(func() {
		runtime.LockOSThread() // and never unlocked: the thread dies as that user
		_ = setFileSystemUser()
		for !x.stop.Load() {
			x.Lock()
			_ = unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
			x.Unlock()
		}
	})
	return x
}

// setFileSystemUser takes root's rights to files from this thread.
func setFileSystemUser() error {
	_, gidErr := unix.SetfsgidRetGid(somebody)
	_, uidErr := unix.SetfsuidRetUid(somebody)
	return errors.Join(gidErr, uidErr)
}

// reachable makes a directory that others can walk into, and gives it to uid.
func reachable(t *testing.T, uid int) string {
	t.Helper()
	dir := t.TempDir()
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		must(t, os.Chmod(d, 0o755))
	}
	must(t, os.Chown(dir, uid, uid))
	return dir
}

// plant makes what leads to the canary where a mount's upper would be.
func plant(t *testing.T, home, dir, canary string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Join(home, dir), 0o755))
	for _, name := range []string{"u", "w"} {
		must(t, os.Symlink(canary, filepath.Join(home, dir, name)))
	}
	for ; dir != "."; dir = filepath.Dir(dir) {
		must(t, os.Lchown(filepath.Join(home, dir), somebody, somebody))
	}
}

// Nothing of root's is given away, whatever the owner of a directory on the way
// exchanges meanwhile.
func TestMountExchangedDirectories(t *testing.T) {
	canary := filepath.Join(t.TempDir(), "canary")
	must(t, os.WriteFile(canary, nil, 0o600))
	for name, tc := range map[string]struct {
		exchanged, instance, planted string // in the user's directory
		refused                      bool   // always
	}{
		"the instance, in the user's directory": {"i", "i", "evil/pip", true},
		"its parent, which is root's":           {"root", "root/i", "evil/i/pip", false},
	} {
		t.Run(name, func(t *testing.T) {
			home := reachable(t, somebody)
			attack := exchange(filepath.Join(home, tc.exchanged), filepath.Join(home, "evil"))
			made := 0
			for range 300 {
				attack.Lock()
				for _, d := range []string{tc.exchanged, "evil"} {
					must(t, os.RemoveAll(filepath.Join(home, d)))
				}
				if !tc.refused {
					must(t, os.Mkdir(filepath.Join(home, tc.exchanged), 0o755))
				}
				plant(t, home, tc.planted, canary)
				attack.Unlock()
				i, err := instance.Keep(filepath.Join(home, tc.instance))
				if err != nil {
					continue
				}
				if _, _, err := i.Add("pip", []string{"a"}, overlay.Owner{UID: somebody, GID: somebody}, 0o755); err == nil {
					made++
				}
				must(t, i.Close())
			}
			attack.stop.Store(true)
			attack.done.Wait()
			if st, err := os.Stat(canary); err != nil || st.Sys().(*syscall.Stat_t).Uid != 0 || st.Mode().Perm() != 0o600 {
				t.Errorf("a file of root's was given away: %v, %v", st, err)
			}
			if tc.refused != (made == 0) {
				t.Errorf("%d instances were made", made)
			}
			t.Logf("%d instances were made", made)
		})
	}
}

// Directories of root's, the caller's and sticky ones are taken; others are not.
func TestMountParents(t *testing.T) {
	for name, tc := range map[string]struct {
		uid  int
		mode os.FileMode
		ok   bool
	}{
		"root's":                  {0, 0o755, true},
		"sticky":                  {0, 0o777 | os.ModeSticky, true},
		"somebody's":              {somebody, 0o700, false},
		"somebody's, sticky":      {somebody, 0o777 | os.ModeSticky, false},
		"everybody can write":     {0, 0o777, false},
		"a group can write":       {0, 0o775, false},
		"group, and it is sticky": {0, 0o775 | os.ModeSticky, true},
	} {
		parent := reachable(t, 0)
		must(t, os.Chown(parent, tc.uid, tc.uid))
		must(t, os.Chmod(parent, tc.mode))
		for _, make := range []func(string) (*instance.Instance, error){instance.Create, instance.Keep} {
			i, err := make(filepath.Join(parent, "i"))
			if (err == nil) != tc.ok || err != nil && !errors.Is(err, overlay.ErrRefused) {
				t.Errorf("%s: %v", name, err)
			}
			if err == nil {
				must(t, i.Close())
				must(t, os.Remove(filepath.Join(parent, "i")))
			}
		}
	}
}
