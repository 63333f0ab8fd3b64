// Package keep keeps snapshots mounted on the host, so that an attach clones a
// mount instead of making one.
//
// # What it is
//
//	RUN/snapshots/               0700, a shared mount of its own
//	  <id>/image                 the image, through a loop device
//	  <id>/pool                  a link that names the pool below the trees, and its path
//	  <id>/source                a link that names the file of the image
//	  <id>/stay                  there when the snapshot was asked for by its own name
//	  <id>/tree                  the tree, root's
//	  <id>/tree-<uid>-<gid>      the tree for another owner
//	RUN/users/                   0711, on a shared mount
//	  <uid>/                     that user's, and nobody else's, to read
//	    <id>/tree                a clone of the owner's tree
//	    <id>/pool, note.json     over which pool, and the caller's note
//	    current                  a link to the <id> that was asked for as current
//	RUN/lock                     flock of mount and unmount
//
// # The promises
//
//   - Mount and Unmount can be repeated, run at once, and be killed anywhere:
//     the next one repairs what is half made.
//   - What is let go of goes from every mount namespace that got it from the host's, the locked
//     ones of user namespaces too, so that none of them keeps the loop device busy: the mounts are
//     shared. (Private ones would stay in every namespace that was made meanwhile.)
//   - A user gets at a tree of that user's own and at nothing else ([Dir.Shared]).
//   - [Open] needs no lock and never fails because of a concurrent Unmount: it
//     gets a clone that works, or makes its own tree.
//   - [Dir.Follow] keeps the host as it is: where snapshots are kept mounted, what is current is,
//     and where none are, none is.
//
// # The limits
//
// A clone outlives Unmount, and with it the loop device: they go with the last
// container that uses them. Stores share a run directory, and each lets go of
// its own mounts only; of two that hold the same snapshot, the last to mount it
// has it, and the other's attaches make their own trees.
package keep

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/moby/sys/mount"
	"golang.org/x/sys/unix"

	"larder/overlay"
	"larder/snapshot/failpoint"
)

// DefaultDir is the run directory of a host.
const DefaultDir = overlay.RunDir

// Snapshot is what there is to mount.
type Snapshot struct {
	ID      string
	Image   string // path of the image
	Objects string // path of the pool
	Stays   bool   // Follow does not let go of it
	Note    []byte // what a user has to know of it who cannot read the store

	// Tree is where a tree is kept for the caller, who is not root and gets no other; "" for root.
	Tree string
}

// isID says whether s is an id of a snapshot, or a part of one: 8 to 64 hexadecimal digits.
func isID(s string) bool {
	for i := range len(s) {
		if c := s[i]; !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f') {
			return false
		}
	}
	return len(s) >= 8 && len(s) <= 64
}

// Dir is a run directory.
type Dir string

func (d Dir) snapshots() string         { return filepath.Join(string(d), "snapshots") }
func (d Dir) snapshot(id string) string { return filepath.Join(d.snapshots(), id) }

// treeName is the name of a tree's mount point.
func treeName(o overlay.Owner) string {
	if o == (overlay.Owner{}) {
		return "tree"
	}
	return fmt.Sprintf("tree-%d-%d", o.UID, o.GID)
}

// Mount mounts the snapshot's image and its tree, once for root and once for
// each further owner. What is mounted already stays. Like Unmount it waits for
// others who change the directory, at most until ctx ends.
func (d Dir) Mount(ctx context.Context, s Snapshot, owners ...overlay.Owner) error {
	if !isID(s.ID) {
		return fmt.Errorf("keep snapshot %q: not an id", s.ID)
	}
	if err := os.MkdirAll(string(d), 0o755); err != nil {
		return fmt.Errorf("make run directory: %w", err)
	}
	unlock, err := d.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := os.MkdirAll(d.snapshots(), 0o700); err != nil {
		return fmt.Errorf("keep snapshot: %w", err)
	}
	if err := ownGroup(d.snapshots()); err != nil {
		return fmt.Errorf("keep snapshot: %w", err)
	}
	dir := d.snapshot(s.ID)
	if err := d.claim(s); err != nil {
		return err
	}
	if s.Stays {
		if err := d.stay(s.ID); err != nil {
			return err
		}
	}
	failpoint.Here("mount: directory claimed")
	image, err := d.cloneImage(s)
	if err != nil {
		image, err = openLoop(s.Image)
		if err != nil {
			return fmt.Errorf("keep snapshot %.12s: %w", s.ID, err)
		}
		// Attaching moves the mount: what follows works on a clone.
		own, err := overlay.Chosen().Clone(image.File)
		if err == nil {
			err = attach(own, filepath.Join(dir, "image"))
		}
		if err != nil {
			image.Close()
			return err
		}
	}
	failpoint.Here("mount: image mounted")
	defer image.Close()
	for _, o := range append([]overlay.Owner{{}}, owners...) {
		if err := d.keepTree(s, image, o); err != nil {
			return err
		}
	}
	return nil
}

// keepTree mounts the tree for an owner, who gets at it unless that is root.
func (d Dir) keepTree(s Snapshot, image overlay.Image, o overlay.Owner) error {
	if have, err := d.clone(s.ID, treeName(o), unix.OVERLAYFS_SUPER_MAGIC); err == nil {
		have.Close()
	} else {
		tree, err := overlay.Chosen().OpenTree(image, s.Objects, o)
		if err != nil {
			return fmt.Errorf("keep snapshot %.12s: %w", s.ID, err)
		}
		if err := attach(tree, filepath.Join(d.snapshot(s.ID), treeName(o))); err != nil {
			return err
		}
		failpoint.Here("mount: tree mounted")
	}
	if o.UID == 0 {
		return nil
	}
	return d.share(s, o)
}

// ownGroup makes a directory a shared mount, whose peers are the copies that namespaces get of it
// from now on, and not what it lies on: that would get all of it a second time.
func ownGroup(dir string) error {
	at, err := os.OpenFile(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer at.Close()
	if is, err := overlay.IsMountPoint(at); err != nil || is {
		return errors.Join(err, mount.MakeShared(dir))
	}
	// MakePrivate binds the directory on itself when it is no mount yet.
	return errors.Join(mount.MakePrivate(dir), mount.MakeShared(dir))
}

// openLoop prefers the loop device, and takes the file where there is none.
func openLoop(image string) (overlay.Image, error) {
	m, err := overlay.Chosen().OpenImage(image, overlay.BackedByLoop)
	if errors.Is(err, overlay.ErrUnsupported) {
		if m, e := overlay.Chosen().OpenImage(image, overlay.BackedByFile); e == nil {
			return m, nil
		}
	}
	return m, err
}

// attach puts a detached mount on a path, instead of whatever a broken
// earlier attempt left mounted there, and closes it.
func attach(m *os.File, path string) error {
	defer m.Close()
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("keep snapshot: %w", err)
	}
	if err := unmountAll(path); err != nil {
		return fmt.Errorf("keep snapshot: %w", err)
	}
	point, err := os.OpenFile(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("keep snapshot: %w", err)
	}
	defer point.Close()
	return overlay.Attach(m, point)
}

// clone clones a kept mount and makes sure that it is one: between a look and
// the clone it may have been unmounted, and the clone be of an empty directory.
func (d Dir) clone(id, name string, magic int64) (*os.File, error) {
	return cloneOf(filepath.Join(d.snapshot(id), name), magic)
}

func cloneOf(path string, magic int64) (*os.File, error) {
	m, err := overlay.CloneDir(path)
	if err != nil {
		return nil, err
	}
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(m.Fd()), &st); err != nil || int64(st.Type) != magic {
		m.Close()
		return nil, fmt.Errorf("clone kept mount %s: %w", filepath.Base(path), fs.ErrNotExist)
	}
	return m, nil
}

// cloneImage clones the kept image.
func (d Dir) cloneImage(s Snapshot) (overlay.Image, error) {
	m, err := d.clone(s.ID, "image", unix.EROFS_SUPER_MAGIC_V1)
	return overlay.Image{File: m, Path: s.Image, Backing: overlay.BackedByLoop}, err
}

// List returns the ids that are kept, or half kept, over the pool at objects,
// sorted.
func (d Dir) List(objects string) ([]string, error) {
	ids, err := d.ids()
	return slices.DeleteFunc(ids, func(id string) bool { return !d.owns(id, objects) }), err
}

// Find returns the one id of List that begins with ref, 8 digits of it or more; "" when none
// does, or more than one.
func (d Dir) Find(objects, ref string) (string, error) {
	ids, err := d.List(objects)
	ids = slices.DeleteFunc(ids, func(id string) bool { return !isID(ref) || !strings.HasPrefix(id, ref) })
	if err != nil || len(ids) != 1 {
		return "", err
	}
	return ids[0], nil
}

// ids are those of every store.
func (d Dir) ids() ([]string, error) {
	entries, err := os.ReadDir(d.snapshots())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list kept snapshots: %w", err)
	}
	var ids []string
	for _, e := range entries {
		if isID(e.Name()) {
			ids = append(ids, e.Name())
		}
	}
	return ids, nil
}

// lock serialises those who change the directory. It waits until ctx ends: by asking again,
// since a thread that sleeps in flock cannot be called back.
func (d Dir) lock(ctx context.Context) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(string(d), "lock"), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock run directory: %w", err)
	}
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return func() { f.Close() }, nil
		case err != unix.EWOULDBLOCK && err != unix.EINTR:
			f.Close()
			return nil, fmt.Errorf("lock run directory %s: %w", d, err)
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("wait for the lock of run directory %s: %w", d, context.Cause(ctx))
		case <-time.After(wait):
		}
	}
}
