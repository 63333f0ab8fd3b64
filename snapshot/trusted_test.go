package snapshot

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

const somebody = 12345

// A store whose path somebody else could bend is not used, nor made; nor is a link of theirs.
func TestMountUntrustedPath(t *testing.T) {
	for name, tc := range map[string]struct {
		uid  int
		mode os.FileMode
		want string // "" is fine
	}{
		"root's":              {0, 0o755, ""},
		"sticky":              {0, 0o777 | os.ModeSticky, ""},
		"somebody's":          {somebody, 0o755, "belongs to user 12345"},
		"somebody's, sticky":  {somebody, 0o777 | os.ModeSticky, "belongs to user 12345"},
		"everybody can write": {0, 0o777, "writable by others (mode 0777)"},
		"a group can write":   {0, 0o775, "writable by others (mode 0775)"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "theirs")
			must(t, os.MkdirAll(filepath.Join(dir, "root's"), 0o755))
			store := filepath.Join(dir, "root's/store")
			_, err := Create(store)
			must(t, err)
			must(t, os.Chown(dir, tc.uid, tc.uid))
			must(t, os.Chmod(dir, tc.mode))
			link := filepath.Join(t.TempDir(), "link")
			must(t, os.Symlink(dir, link))
			for what, try := range map[string]func() (*Store, error){
				"open":           func() (*Store, error) { return Open(store) },
				"open by a link": func() (*Store, error) { return Open(filepath.Join(link, "root's/store")) },
				"create":         func() (*Store, error) { return Create(filepath.Join(dir, "root's/new/store")) },
			} {
				s, err := try()
				switch {
				case tc.want == "" && err != nil:
					t.Errorf("%s: %v", what, err)
				case tc.want == "" && !strings.HasPrefix(s.Dir(), dir):
					t.Errorf("%s: it is at %s", what, s.Dir())
				case tc.want == "":
				case err == nil || !errors.Is(err, ErrStore) || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), dir):
					t.Errorf("%s: %v", what, err)
				}
			}
			if _, err := os.Lstat(filepath.Join(dir, "root's/new")); tc.want != "" && err == nil {
				t.Error("it made directories there")
			}
		})
	}
}

// Somebody exchanges the store below a directory of theirs for one whose trash leads to what only
// root may delete.
func TestMountExchangedStore(t *testing.T) {
	home := filepath.Join(t.TempDir(), "home")
	must(t, os.Mkdir(home, 0o755))
	secret := t.TempDir()
	for d := home; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		must(t, os.Chmod(d, 0o755))
	}
	store, evil := filepath.Join(home, "store"), filepath.Join(home, "evil")
	_, err := Create(store)
	must(t, err)
	must(t, os.Mkdir(evil, 0o755))
	must(t, os.Symlink(secret, filepath.Join(evil, "trash")))
	must(t, os.Symlink(secret, filepath.Join(evil, "objects")))
	for _, d := range []string{home, evil} {
		must(t, os.Chown(d, somebody, somebody))
	}
	var stop atomic.Bool
	var attack sync.WaitGroup
	attack.Go(func() {
		runtime.LockOSThread() // and never unlocked: the thread dies as that user
		_, _ = unix.SetfsuidRetUid(somebody)
		for !stop.Load() {
			_ = unix.Renameat2(unix.AT_FDCWD, store, unix.AT_FDCWD, evil, unix.RENAME_EXCHANGE)
		}
	})
	for range 300 {
		must(t, os.WriteFile(filepath.Join(secret, "precious"), nil, 0o600))
		if s, err := Open(store); err == nil {
			_ = s.EmptyTrash(t.Context())
		}
		if _, err := os.Lstat(filepath.Join(secret, "precious")); err != nil {
			t.Error("it emptied a directory of root's:", err)
			break
		}
	}
	stop.Store(true)
	attack.Wait()
}

// What is deleted is deleted in the directory that was checked, or not at all.
func TestExchangedAfterOpen(t *testing.T) {
	s := newStore(t)
	must(t, os.Mkdir(filepath.Join(s.Dir(), "instances/x"), 0o700))
	must(t, os.Rename(s.Dir(), s.Dir()+"-away"))
	_, err := Create(s.Dir())
	must(t, err)
	must(t, os.Mkdir(filepath.Join(s.Dir(), "instances/x"), 0o700))
	mustFail(t, s.Trash(filepath.Join(s.Dir(), "instances/x")), ErrStore, "another directory")
	must(t, os.Mkdir(filepath.Join(s.Dir(), "trash/kept"), 0o700))
	mustFail(t, s.EmptyTrash(t.Context()), ErrStore, "another directory")
	if _, err := os.Lstat(filepath.Join(s.Dir(), "trash/kept")); err != nil {
		t.Error(err)
	}
}
