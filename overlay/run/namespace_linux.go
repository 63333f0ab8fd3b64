package run

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"larder/overlay"
	"larder/snapshot/ecosystem"
)

// namespace is the command's own, where a run's mounts go. It is an attach.Namespace.
type namespace struct{ *session }

// nowhere is why a client has no directory for a cache at all, so that nothing of it
// is missing: the user has no home (/nonexistent, /dev/null), or may write
// nothing there. Said, and no failure even of a run that is Required.
type nowhere struct{ error }

func (e nowhere) Unwrap() error { return e.error }

// ReadFile reads a regular file. It may be a user's: no waiting for a writer of a fifo.
func (n namespace) ReadFile(path string, limit int64) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return nil, &overlay.Problem{Kind: overlay.ErrRefused, Text: path + " is not a regular file"}
	}
	data, err := io.ReadAll(overlay.Counted(io.LimitReader(f, limit+1), n.Take))
	if err == nil && int64(len(data)) > limit {
		err = ecosystem.TooLarge(path, limit)
	}
	return data, err
}

func (n namespace) IsDir(path string) bool { return isDir(path) }

func (n namespace) Find(path string) (at string, mode fs.FileMode, err error) {
	return ecosystem.Host{}.Find(path)
}

func (n namespace) Take(size int64) error { return n.reads.Take(size) }

func (n namespace) Getenv(key string) string { return lookup(environ(n.Env, n.User, nil), key) }

// Home is "~" when the user has none: what is below it is then no absolute path.
func (n namespace) Home() (string, error) {
	if n.User.Home == "" {
		return "~", nil
	}
	return n.User.Home, nil
}

func (n namespace) WorkDir() string { return n.cwd }

func (n namespace) Owner() overlay.Owner { return n.User.Owner }

func (n namespace) Cache(c ecosystem.Client, path string) (*overlay.Point, error) {
	means := cmp.Or(c.Variable, "HOME") // what moves it
	p, err := (*overlay.Point)(nil), error(&overlay.Problem{Kind: overlay.ErrRefused, Text: "no cache directory to attach it to: no home directory, or a relative path",
		Advice: "set " + means + " to an absolute path"})
	if filepath.IsAbs(path) {
		p, err = openPoint(filepath.Clean(path), n.User, true, means)
	}
	// A directory or a view that was named is there, or that is a failure.
	named := n.Views != nil || c.Variable != "" && n.Getenv(c.Variable) != "" || n.Getenv("XDG_CACHE_HOME") != ""
	if err != nil && !named && (!isDir(n.User.Home) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.EROFS)) {
		err = nowhere{err}
	}
	return p, err
}

func (n namespace) View() (*overlay.Point, error) { return n.makePoint("view") }

func (n namespace) Environment(dir string, alone bool) (*overlay.Point, error) {
	p, err := (*overlay.Point)(nil), error(nil)
	if alone {
		p, err = n.alonePoint(dir)
	} else {
		p, err = openPoint(dir, n.User, false, n.Locks.Flag)
	}
	return p, n.twice(dir, err)
}

func (n namespace) Beside(dir, path string) (*overlay.Point, error) {
	at := filepath.Join(dir, path)
	p, err := n.besidePoint(dir, path)
	return p, n.twice(at, err)
}

// twice says in words that a view is attached already.
func (n namespace) twice(dir string, err error) error {
	if errors.Is(err, errAttached) {
		err = &overlay.Problem{Kind: overlay.ErrRefused, Text: dir + " has an environment mounted on it already",
			Advice: "name another directory with " + n.Locks.Flag}
	}
	return err
}

func (n namespace) Private() (*overlay.Point, error) { return n.makePoint("env") }

// makePoint makes a directory of our own on the covered run directory.
func (n namespace) makePoint(name string) (*overlay.Point, error) {
	path := filepath.Join(string(n.RunDir), name)
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
	p := &overlay.Point{Path: path, Owner: n.User.Owner, Mode: 0o755, Dir: dir}
	if p.Below, err = overlay.Clone(dir); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// Attach attaches at once. What is attached is unmounted when the run ends.
func (n namespace) Attach(m *os.File, at *overlay.Point) error {
	defer m.Close()
	defer at.Close()
	if err := overlay.Attach(m, at.Dir); err != nil {
		return err
	}
	n.mounted = append(n.mounted, at.Path)
	return nil
}

func isDir(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.IsDir()
}
