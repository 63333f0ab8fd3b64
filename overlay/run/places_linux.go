package run

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"larder/overlay"
	"larder/snapshot/ecosystem"
)

// host is where a run's mounts go: the command's own namespace, as the host's user finds it. It is
// an attach.Places.
type host struct{ *session }

// nowhere is why a client has no place for a cache at all, so that nothing of it
// is missing: the user has no home (/nonexistent, /dev/null), or may write
// nothing there. Said, and no failure even of a run that is Required.
type nowhere struct{ error }

func (e nowhere) Unwrap() error { return e.error }

// ReadFile reads a regular file. It may be a user's: no waiting for a writer of a fifo.
func (h host) ReadFile(path string, limit int64) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return nil, &overlay.Problem{Kind: overlay.ErrRefused, Text: path + " is not a regular file"}
	}
	data, err := io.ReadAll(overlay.Counted(io.LimitReader(f, limit+1), h.Take))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("read %s: larger than %d bytes", path, limit)
	}
	return data, err
}

func (h host) IsDir(path string) bool { return isDir(path) }

func (h host) Take(n int64) error { return h.reads.Take(n) }

func (h host) Getenv(key string) string { return lookup(environ(h.Env, h.User, nil), key) }

// Home is "~" when the user has none: what is below it is then no absolute path.
func (h host) Home() (string, error) {
	if h.User.Home == "" {
		return "~", nil
	}
	return h.User.Home, nil
}

func (h host) WorkDir() string { return h.cwd }

func (h host) Owner() overlay.Owner { return h.User.Owner }

func (h host) Cache(c ecosystem.Client, path string) (*overlay.Point, error) {
	p, err := (*overlay.Point)(nil), error(&overlay.Problem{Kind: overlay.ErrRefused, Text: "no cache directory to attach it to: no home directory, or a relative path",
		Advice: "set " + c.Variable + " to an absolute path"})
	if filepath.IsAbs(path) {
		p, err = openPoint(filepath.Clean(path), h.User, true, c.Variable)
	}
	// A place or a view that was named is there, or that is a failure.
	named := h.Views != nil || h.Getenv(c.Variable) != "" || h.Getenv("XDG_CACHE_HOME") != ""
	if err != nil && !named && (!isDir(h.User.Home) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.EROFS)) {
		err = nowhere{err}
	}
	return p, err
}

func (h host) View() (*overlay.Point, error) { return h.makePoint("view") }

func (h host) Environment(dir string) (*overlay.Point, error) {
	p, err := openPoint(dir, h.User, false, h.Locks.Flag)
	if errors.Is(err, errAttached) {
		err = &overlay.Problem{Kind: overlay.ErrRefused, Text: dir + " has an environment mounted on it already",
			Advice: "name another directory with " + h.Locks.Flag}
	}
	return p, err
}

func (h host) Private() (*overlay.Point, error) { return h.makePoint("env") }

// makePoint makes a directory of our own on the covered run directory.
func (h host) makePoint(name string) (*overlay.Point, error) {
	path := filepath.Join(string(h.RunDir), name)
	if err := os.Mkdir(path, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	if err := os.Chmod(path, 0o755); err != nil { // whatever the umask
		return nil, err
	}
	dir, err := openDir(unix.AT_FDCWD, path)
	if err != nil {
		return nil, err
	}
	p := &overlay.Point{Path: path, Owner: h.User.Owner, Mode: 0o755, Dir: dir}
	if p.Below, err = overlay.Clone(dir); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// Attach attaches at once. What is attached is unmounted when the run ends.
func (h host) Attach(m *os.File, at *overlay.Point) error {
	defer m.Close()
	defer at.Close()
	if err := overlay.Attach(m, at.Dir); err != nil {
		return err
	}
	h.mounted = append(h.mounted, at.Path)
	return nil
}

func isDir(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.IsDir()
}
