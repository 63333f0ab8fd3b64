package oci

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"larder/overlay"
)

// PointOptions says what may be done to have a mount point.
type PointOptions struct {
	Make  bool          // make what is missing
	Owner overlay.Owner // whose what is made shall be, in the host's ids
	Cover bool          // also on a volume that is mounted there, or made in one
	Keep  bool          // clone what is there
}

// Point resolves want inside the root and judges where it led. The checks are
// of the open directory, so that nothing can be exchanged behind them.
func (c *Container) Point(want string, o PointOptions) (*overlay.Point, error) {
	if err := checkPoint(want); err != nil {
		return nil, err
	}
	p := &overlay.Point{}
	err := c.inside(func() error { return c.resolve(p, path.Clean(want), o) })
	if err != nil {
		p.Abandon()
		return nil, err
	}
	return p, nil
}

// Beside is Point at a path below a directory, in which no link is followed; nil: the directory that it goes into
// is not there.
func (c *Container) Beside(dir, below string, o PointOptions) (*overlay.Point, error) {
	at := path.Join(dir, below)
	if err := checkPoint(at); err != nil {
		return nil, err
	}
	p := &overlay.Point{}
	err := c.inside(func() error {
		in, err := c.inBeside(dir, path.Dir(below), path.Dir(at))
		if in == "" {
			p = nil
			return err
		}
		want := path.Join(in, path.Base(below))
		if err := c.resolve(p, want, o); err != nil {
			return err
		}
		if p.Path != want {
			return fmt.Errorf("%w: %w", ErrPoint, overlay.ThroughLink(at))
		}
		return nil
	})
	if err != nil && p != nil {
		p.Abandon()
		p = nil
	}
	return p, err
}

// inBeside is where the directory at a path below another one really is; "": it is not there.
func (c *Container) inBeside(dir, below, at string) (string, error) {
	base, err := overlay.Resolve(c.root, path.Clean(dir))
	if err != nil {
		return "", pointError(dir, err)
	}
	defer base.Close()
	in, err := overlay.Beside(base, below, at)
	if in == nil {
		if err != nil {
			err = fmt.Errorf("%w: %w", ErrPoint, err)
		}
		return "", err
	}
	defer in.Close()
	real, err := c.pathOf(in)
	if err == nil && real != c.rootPath && !strings.HasPrefix(real, c.rootPath+"/") {
		err = fmt.Errorf("%w %.80q leads out of the container's root", ErrPoint, at)
	}
	if err != nil {
		return "", err
	}
	return c.inRoot(real), nil
}

// mostAtOnce bounds how often a directory on the way may turn up while it is made: another container
// of the same root or volume makes the same ones. A link that leads nowhere is there each time.
const mostAtOnce = 10

var errInTheWay = errors.New("a dangling link is in its way")

func (c *Container) resolve(p *overlay.Point, want string, o PointOptions) (err error) {
	for range mostAtOnce {
		p.Dir, err = overlay.Resolve(c.root, want)
		if errors.Is(err, unix.ENOENT) && o.Make {
			err = c.makeAll(p, want, o)
		}
		if !errors.Is(err, errInTheWay) {
			break
		}
	}
	if err != nil {
		return pointError(want, err)
	}
	st, err := overlay.Status(p.Dir)
	if err != nil {
		return pointError(want, err)
	}
	at, err := c.judge(p.Dir, want)
	if err != nil {
		return err
	}
	table, err := c.mounts()
	if err != nil {
		return err
	}
	p.Path = c.inRoot(at)
	if err := checkTable(table, int(st.Mnt_id), at, want, o.Cover); err != nil {
		return err
	}
	p.Owner, p.Mode = overlay.Owner{UID: int(st.Uid), GID: int(st.Gid)}, os.FileMode(st.Mode&0o777)
	if p.Flags, err = overlay.FlagsBelow(p.Dir, c.root); err != nil {
		return pointError(want, err)
	}
	if _, _, err := c.ids.ToContainer(p.Owner.UID, p.Owner.GID); err != nil {
		return fmt.Errorf("%w %.80q belongs to %d:%d of the host, nobody in the container", ErrPoint, want, st.Uid, st.Gid)
	}
	if !o.Keep || p.Undo != nil {
		return nil
	}
	switch empty, err := c.empty(p.Dir, ""); {
	case err != nil:
		return pointError(want, err)
	case empty:
		return nil
	}
	// A mount can only be cloned in the namespace it belongs to.
	p.Below, err = overlay.Clone(p.Dir)
	return err
}

// judge applies the rules that need no mount table, and returns the path as
// the thread inside sees it.
func (c *Container) judge(dir *os.File, want string) (string, error) {
	kind, err := c.kernelFilesystem(dir)
	if err != nil {
		return "", pointError(want, err)
	}
	if err := checkFilesystem(want, kind); err != nil {
		return "", err
	}
	at, err := c.pathOf(dir)
	if err != nil {
		return "", err
	}
	if at != c.rootPath && !strings.HasPrefix(at, c.rootPath+"/") {
		return "", fmt.Errorf("%w %.80q leads out of the container's root", ErrPoint, want)
	}
	return at, checkResolved(want, c.inRoot(at))
}

func (c *Container) inRoot(at string) string {
	return "/" + strings.TrimPrefix(strings.TrimPrefix(at, c.rootPath), "/")
}

// mounts is the mount table of the container, read once: where containers are many it is long, and
// nothing of this one runs yet that could change it. What we attach does.
func (c *Container) mounts() (_ []*mountinfo.Info, err error) {
	if c.table == nil {
		c.table, err = c.readMounts()
	}
	return c.table, err
}

// readMounts reads the mount table of the thread inside.
func (c *Container) readMounts() ([]*mountinfo.Info, error) {
	f, err := c.openProc("thread-self/mountinfo", unix.O_RDONLY)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrContainer, err)
	}
	defer f.Close()
	table, err := mountinfo.GetMountsFromReader(f, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: read its mount table: %w", ErrContainer, err)
	}
	return table, nil
}

// Provisioned says whether something of Larder's is mounted in the container.
func (c *Container) Provisioned() bool {
	found := false
	_ = c.inside(func() error {
		table, err := c.mounts()
		found = slices.ContainsFunc(table, func(m *mountinfo.Info) bool { return strings.HasPrefix(m.Source, overlay.SourcePrefix) })
		return err
	})
	return found
}

// empty says whether a directory has nothing in it but, at most, an entry called except.
func (c *Container) empty(dir *os.File, except string) (bool, error) {
	f, err := c.openProc("thread-self/fd/"+strconv.Itoa(int(dir.Fd())), unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return false, err
	}
	defer f.Close()
	names, err := f.Readdirnames(2)
	if err != nil && err != io.EOF {
		return false, err
	}
	return len(names) == 0 || len(names) == 1 && names[0] == except, nil
}

// pointError says in words what openat2 and its kin say in errnos.
func pointError(want string, err error) error {
	if errors.Is(err, ErrPoint) {
		return err
	}
	words := err
	for errno, text := range map[error]string{
		unix.ENOTDIR: "not a directory",
		unix.ELOOP:   "a loop of links, or one of the kernel's own links, on the way",
		unix.EAGAIN:  "somebody renames what is on the way",
		unix.ENOENT:  "does not exist",
		unix.EROFS:   "missing, and the file system is read-only",
		unix.EACCES:  "permission denied on the way",
	} {
		if errors.Is(err, errno) {
			words = errors.New(text)
		}
	}
	return fmt.Errorf("%w %.80q: %w", ErrPoint, want, words)
}
