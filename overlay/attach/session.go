package attach

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"larder/overlay"
	"larder/overlay/instance"
	"larder/overlay/keep"
	"larder/snapshot"
	"larder/snapshot/ecosystem"
	"larder/snapshot/failpoint"
)

// Namespace is where the mounts of a session go: a command's own, or a container's. Files of the
// environment are read there, too.
type Namespace interface {
	ecosystem.Files
	Getenv(key string) string // of the command or the container's process
	Home() (string, error)    // its user's
	WorkDir() string
	Owner() overlay.Owner // its user

	// Cache finds or makes the mount point of a client's cache.
	Cache(client ecosystem.Client, path string) (*overlay.Point, error)
	// View makes the mount point of the read-only view; nil: there is none.
	View() (*overlay.Point, error)
	// Environment finds the mount point of an environment that is there. In a container it is made where
	// there is none, elsewhere only for one that is alone, which hides what is there.
	Environment(dir string, alone bool) (*overlay.Point, error)
	// Beside finds or makes the mount point of a further part of an environment that is alone, at a path below a
	// directory, in which no link is followed; nil: the directory that it goes into is not there.
	Beside(dir, path string) (*overlay.Point, error)
	// Private makes an empty directory for a new environment; nil: there can be none.
	Private() (*overlay.Point, error)

	// Attach puts a detached mount on a point, now or when all of the session are made. Both are
	// its own from here on.
	Attach(m *os.File, at *overlay.Point) error
}

// Session attaches one snapshot.
type Session struct {
	Namespace
	Snapshot keep.Snapshot
	RunDir   keep.Dir
	Instance *instance.Instance

	Views       []string          // of caches; nil: of the usual ones those that are there
	MountPoints map[string]string // of clients, instead of where they look
	Locks       *Locks            // nil: no environment
	Built       snapshot.Built    // what counts, of views and layers that were built from sources
	Profile     string            // its name, for the note; "" for a command
	Label       string            // SELinux mount label
	Flags       int               // of every mount, MOUNT_ATTR_*, beside those of its mount point
	User        bool              // it attaches in a user namespace

	// Required makes an error of what is otherwise said by Note.
	Required bool
	// Note is told what a mount is without.
	Note func(string)
	// LeftOut is told why a part (a client, "view", "environment") is not attached. An error ends
	// the session.
	LeftOut func(part string, err error) error

	Mounts   []Mount
	ViewPath string       // path of the read-only view, "" without
	Env      *Environment // nil: none was attached

	trees map[treeKey]tree
	first *overlay.Owner // of the first cache
}

// Mount is an attached view.
type Mount struct {
	Part   string // a client, or "environment"
	Path   string
	Lowers int
	Dir    string   // its part of the instance
	Within string   // the directory of that which it shows; "" all of it
	Layers []string // those of the lowers that are the snapshot's, topmost first
}

// treeKey is whose tree it is, and of which image.
type treeKey struct {
	image string
	owner overlay.Owner
}

type tree struct {
	file *os.File
	how  keep.How
}

// fatal is an error that no best effort passes over.
type fatal struct{ error }

func (e fatal) Unwrap() error { return e.error }

// Fatal marks an error about what the caller asked for by name, such as a lock that cannot be read:
// without it the command would do something else.
func Fatal(err error) error { return fatal{err} }

// IsFatal says whether an error is marked so.
func IsFatal(err error) bool { return errors.As(err, new(fatal)) }

// Attach attaches every part.
func (s *Session) Attach() error {
	for _, c := range ecosystem.Clients() {
		if err := s.part(c.Name, func() error { return s.attachCache(c) }); err != nil {
			return err
		}
	}
	if err := s.part("view", s.attachView); err != nil {
		return err
	}
	if s.Locks != nil {
		if err := s.part("environment", s.attachEnvironment); err != nil {
			return err
		}
	}
	s.describe()
	return nil
}

// describe leaves the note of what was attached. Without one it is attached all the same.
func (s *Session) describe() {
	id, err := snapshot.ParseDigest(s.Snapshot.ID)
	if err != nil || len(s.Mounts) == 0 {
		return
	}
	note := snapshot.Attached{Time: time.Now().UTC(), Snapshot: id, Profile: s.Profile, View: s.ViewPath}
	for i, m := range s.Mounts {
		dir := filepath.Base(m.Dir)
		if i > 0 && s.Mounts[i-1].Dir == m.Dir {
			dir = ""
		}
		note.Mounts = append(note.Mounts, snapshot.Mounted{Part: m.Part, Dir: dir, Path: m.Path, Lowers: m.Layers})
	}
	if b, err := note.Encode(); err == nil {
		_ = s.Instance.WriteNote(snapshot.AttachedName, b)
	}
}

func (s *Session) part(name string, attach func() error) error {
	if err := attach(); err != nil {
		return s.LeftOut(name, err)
	}
	return nil
}

// Open opens the tree for the session's user and says how: before what is kept is out of sight.
func (s *Session) Open() (keep.How, error) {
	t, err := s.tree(s.Owner(), overlay.AnyBacking)
	return t.how, err
}

// Close lets go of the trees. What was attached stays.
func (s *Session) Close() {
	for _, t := range s.trees {
		t.file.Close()
	}
}

// tree opens the snapshot's tree for an owner, once.
func (s *Session) tree(o overlay.Owner, backing overlay.Backing) (tree, error) {
	return s.treeOf(s.Snapshot, o, backing)
}

// treeOf opens the tree of an image over the snapshot's pool.
func (s *Session) treeOf(from keep.Snapshot, o overlay.Owner, backing overlay.Backing) (tree, error) {
	key := treeKey{from.Image, o}
	had, ok := s.trees[key]
	if ok && backing == overlay.AnyBacking {
		return had, nil
	}
	f, how, err := s.open(from, o, backing)
	if err != nil {
		return tree{}, err
	}
	failpoint.Here("attach: tree opened")
	if ok {
		had.file.Close()
	}
	if s.trees == nil {
		s.trees = map[treeKey]tree{}
	}
	s.trees[key] = tree{f, how}
	return s.trees[key], nil
}

// aside is how long a snapshot may be missing that has a lease: gc takes one out of sight before it
// looks for leases again, and then puts it back.
const aside = 500 * time.Millisecond

// open opens a tree. An image that is missing is waited for.
func (s *Session) open(from keep.Snapshot, o overlay.Owner, backing overlay.Backing) (f *os.File, how keep.How, err error) {
	end := time.Now().Add(aside)
	for last := false; ; time.Sleep(time.Millisecond) {
		f, how, err = s.RunDir.Open(from, o, backing)
		if last || !errors.Is(err, fs.ErrNotExist) {
			return f, how, err
		}
		_, missing := os.Lstat(from.Image)
		last = missing == nil || time.Now().After(end)
	}
}

// HasView says whether the snapshot has a view.
func (s *Session) HasView(name string) (bool, error) {
	t, err := s.tree(s.Owner(), overlay.AnyBacking)
	if err != nil {
		return false, err
	}
	var st unix.Stat_t
	err = unix.Fstatat(int(t.file.Fd()), "views/"+name, &st, unix.AT_SYMLINK_NOFOLLOW)
	if err != nil && err != unix.ENOENT {
		return false, fmt.Errorf("look for view %s of snapshot %.12s: %w", name, s.Snapshot.ID, err)
	}
	return err == nil, nil
}

// attachView attaches what shows a tree: its superblock has no upper, so nobody can make it writable,
// whatever their capabilities (a read-only bind mount could be remounted).
func (s *Session) attachView() error {
	at, err := s.Namespace.View()
	if err != nil || at == nil {
		return err
	}
	m, err := s.show(at)
	if err != nil {
		at.Abandon()
		return err
	}
	path := at.Path
	if err := s.Namespace.Attach(m, at); err != nil {
		return err
	}
	s.ViewPath = path
	return nil
}

func (s *Session) show(at *overlay.Point) (*os.File, error) {
	owner := s.Owner()
	if s.first != nil {
		owner = *s.first
	}
	m, err := s.onTree(s.Snapshot, owner, func(tree *os.File) (*os.File, error) { return overlay.Chosen().Show(tree, s.Label) })
	if err != nil {
		return nil, err
	}
	if err := overlay.Restrict(m, s.Flags|at.Flags); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}
