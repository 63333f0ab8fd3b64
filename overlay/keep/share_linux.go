package keep

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"larder/overlay"
	"larder/snapshot/failpoint"
)

const (
	currentName = "current"   // in a user's directory: a link to what was asked for as current
	noteName    = "note.json" // beside a user's tree: Snapshot.Note
)

func (d Dir) users() string                    { return filepath.Join(string(d), "users") }
func (d Dir) user(uid int) string              { return filepath.Join(d.users(), strconv.Itoa(uid)) }
func (d Dir) shared(uid int, id string) string { return filepath.Join(d.user(uid), id) }

// share puts a clone of an owner's kept tree where that user finds it, and nobody else gets in:
// snapshots/ is root's, and what is in a tree anybody could read.
func (d Dir) share(s Snapshot, o overlay.Owner) error {
	if err := d.letIn(o.UID); err != nil {
		return fmt.Errorf("share snapshot %.12s with user %d: %w", s.ID, o.UID, err)
	}
	dir := d.shared(o.UID, s.ID)
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("share snapshot: %w", err)
	}
	record, _ := os.Readlink(filepath.Join(d.snapshot(s.ID), "pool"))
	if err := relink(record, filepath.Join(dir, "pool")); err != nil {
		return fmt.Errorf("share snapshot: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, noteName), s.Note, 0o644); err != nil {
		return fmt.Errorf("share snapshot: %w", err)
	}
	if have, err := cloneOf(treeOf(dir), unix.OVERLAYFS_SUPER_MAGIC); err == nil {
		have.Close()
	} else {
		tree, err := d.clone(s.ID, treeName(o), unix.OVERLAYFS_SUPER_MAGIC)
		if err != nil {
			return err
		}
		if err := attach(tree, treeOf(dir)); err != nil {
			return err
		}
	}
	failpoint.Here("mount: tree shared")
	if s.Stays {
		return nil
	}
	return relink(s.ID, filepath.Join(d.user(o.UID), currentName))
}

func treeOf(shared string) string { return filepath.Join(shared, "tree") }

// letIn makes a user's directory. It is root's, with an access list: a group, as a mode would need
// one, may have others in it, and a directory of the user's own is none to mount in.
func (d Dir) letIn(uid int) error {
	if err := os.Mkdir(d.users(), 0o711); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := os.Chmod(d.users(), 0o711); err != nil { // whatever the umask
		return err
	}
	if err := shareMount(d.users()); err != nil {
		return err
	}
	if err := os.Mkdir(d.user(uid), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	err := unix.Setxattr(d.user(uid), "system.posix_acl_access", readers(uid), 0)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return &overlay.Problem{Kind: overlay.ErrUnsupported, Text: fmt.Sprintf("the file system of %s has no access lists", d),
			Advice: "a run directory on tmpfs, as /run is, has them"}
	}
	return err
}

// shareMount has what is mounted in a directory show in the namespaces that users have already, where
// what it lies on does; else in those that they get from now on.
func shareMount(dir string) error {
	mounts, err := mountinfo.GetMounts(mountinfo.ParentsFilter(dir))
	if err != nil {
		return err
	}
	on := slices.MaxFunc(mounts, func(a, b *mountinfo.Info) int { return cmp.Compare(len(a.Mountpoint), len(b.Mountpoint)) })
	if strings.Contains(on.Optional, "shared:") {
		return nil
	}
	return ownGroup(dir)
}

// readers is an access list as linux/posix_acl_xattr.h has it: all for the owner, reading for one
// user, nothing for others.
func readers(uid int) []byte {
	const (
		version                         = 2
		owner, user, group, mask, other = 0x01, 0x02, 0x04, 0x10, 0x20
		nobody                          = 1<<32 - 1
	)
	list := binary.LittleEndian.AppendUint32(nil, version)
	for _, e := range []struct {
		tag, perm uint16
		id        uint32
	}{{owner, 7, nobody}, {user, 5, uint32(uid)}, {group, 0, nobody}, {mask, 5, nobody}, {other, 0, nobody}} {
		list = binary.LittleEndian.AppendUint16(list, e.tag)
		list = binary.LittleEndian.AppendUint16(list, e.perm)
		list = binary.LittleEndian.AppendUint32(list, e.id)
	}
	return list
}

// relink makes a link, in place of an older one.
func relink(text, path string) error {
	if had, err := os.Readlink(path); err == nil && had == text {
		return nil
	}
	next := path + ".new"
	if err := os.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(text, next); err != nil {
		return err
	}
	return os.Rename(next, path)
}

// unshare lets go of a snapshot's trees in the users' directories, and of those that are empty then.
func (d Dir) unshare(id string) error {
	entries, err := os.ReadDir(d.users())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("let go of shared trees: %w", err)
	}
	for _, e := range entries {
		uid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if err := d.unshareFrom(uid, id); err != nil {
			return fmt.Errorf("let go of the tree of user %d: %w", uid, err)
		}
	}
	return nil
}

func (d Dir) unshareFrom(uid int, id string) error {
	dir, current := d.shared(uid, id), filepath.Join(d.user(uid), currentName)
	gone := []string{filepath.Join(dir, noteName), filepath.Join(dir, "pool.new"), filepath.Join(dir, "pool"), treeOf(dir), dir, current + ".new"}
	if had, err := os.Readlink(current); err == nil && had == id {
		gone = append([]string{current}, gone...)
	}
	if err := unmountAll(treeOf(dir)); err != nil {
		return err
	}
	for _, path := range gone {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	failpoint.Here("unmount: tree unshared")
	if err := unix.Rmdir(d.user(uid)); err != nil && err != unix.ENOTEMPTY {
		return err
	}
	return nil
}

// Shared finds what root keeps mounted for a user over the pool at objects: the snapshot whose id
// begins with ref, or with "current" that, else the only one. What is there is root's word, and all
// that such a user has to go by. When there is none, the error wraps fs.ErrNotExist.
func (d Dir) Shared(uid int, objects, ref string) (Snapshot, error) {
	entries, err := os.ReadDir(d.user(uid))
	if err != nil {
		return Snapshot{}, fmt.Errorf("look for shared snapshots: %w", err)
	}
	var ids []string
	for _, e := range entries {
		record, err := os.Readlink(filepath.Join(d.shared(uid, e.Name()), "pool"))
		if _, path, _ := strings.Cut(record, " "); err == nil && isID(e.Name()) && path == filepath.Clean(objects) {
			ids = append(ids, e.Name())
		}
	}
	id, err := d.choose(uid, ids, ref)
	if err != nil {
		return Snapshot{}, err
	}
	note, err := os.ReadFile(filepath.Join(d.shared(uid, id), noteName))
	return Snapshot{ID: id, Tree: treeOf(d.shared(uid, id)), Note: note}, err
}

func (d Dir) choose(uid int, ids []string, ref string) (string, error) {
	current, _ := os.Readlink(filepath.Join(d.user(uid), currentName))
	var fit []string
	for _, id := range ids {
		switch {
		case ref == currentName && id == current:
			return id, nil
		case ref == currentName || isID(ref) && strings.HasPrefix(id, ref):
			fit = append(fit, id)
		}
	}
	switch len(fit) {
	case 0:
		return "", fmt.Errorf("snapshot %s is not shared: %w", ref, fs.ErrNotExist)
	case 1:
		return fit[0], nil
	}
	return "", &overlay.Problem{Kind: overlay.ErrRefused, Text: fmt.Sprintf("several snapshots are mounted for user %d: %s", uid, strings.Join(fit, ", ")),
		Advice: "name one with --snapshot"}
}
