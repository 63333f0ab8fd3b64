// Package instance keeps the writable part of a container or of one `larder
// run`: an upper and a work directory for each of its mounts.
//
// # What it is
//
//	DIR/                  0700, root's
//	  instance.json       kept instances only: which lowers each mount had
//	  attached.json       what was attached, for people and for counting: a note, never gone by
//	  <name>/u, <name>/w  upper and work of one mount; u has the mount point's owner and mode
//	  <name>/m            its mask, where it has one: whiteouts of ours, or files of a new environment
//
// # The promises
//
//   - Uppers are made new: one that exists already is an error, unless the
//     instance is kept and was made for exactly the same lowers. An upper over
//     other lowers than its own shows a mixture nobody ever installed.
//   - No path is used twice: a directory of somebody else's is refused, and so
//     is one in a parent where others could exchange it; everything below is
//     made, given away and read from the descriptor that is locked.
//   - One user at a time: the directory is locked (flock) until Close. The
//     kernel's own lock on an upper covers a holder that died and
//     left processes behind.
//   - A kept instance can be used again after a crash at any point.
//
// # The limits
//
// Nothing here deletes an instance that was mounted: a thrown-away one is
// renamed into the store's trash by its owner. Sizes are limited only where the
// file system can ([Instance.Limit]).
package instance

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"larder/overlay"
)

// isName says whether a mount's directory may be called so: a lower-case letter, then
// letters, digits and hyphens, 32 in all. (No regexp: the hook would compile it at every start.)
func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || i > 0 && (c >= '0' && c <= '9' || c == '-')) {
			return false
		}
	}
	return s != "" && len(s) <= 32
}

// Instance is a locked instance directory.
type Instance struct {
	dir    string
	lock   *os.File
	record *record // nil when it is thrown away after use
}

// Create makes a new instance, whose parent must exist. It is an error if
// anything is there already.
func Create(dir string) (*Instance, error) {
	return makeInstance(dir, false)
}

// Keep opens a kept instance, or makes one where nothing is, or an empty
// directory.
func Keep(dir string) (*Instance, error) { return keep(dir, true) }

// CreateKept is Create for an instance that [Keep] can open again.
func CreateKept(dir string) (*Instance, error) { return keep(dir, false) }

func keep(dir string, again bool) (*Instance, error) {
	i, err := makeInstance(dir, again)
	if err != nil {
		return nil, err
	}
	if err := i.read(); err != nil {
		i.Close()
		return nil, err
	}
	return i, nil
}

// Inherit is the instance at dir that another process made or opened, and locked: its descriptor is
// f, and the lock goes on. It is for a process in a user namespace, where nobody can tell whose the
// directories above are.
func Inherit(f *os.File, dir string, kept bool) (*Instance, error) {
	i := &Instance{dir: dir, lock: f}
	if !kept {
		return i, nil
	}
	return i, i.read()
}

// File is the instance's directory, locked, for [Inherit].
func (i *Instance) File() *os.File { return i.lock }

// lock opens the instance name in parent and locks it. A link is not followed,
// and a directory that another user could change is not used: its content
// becomes files of root's. All that follows is done below this descriptor.
func lock(parent *os.File, name, dir string) (*Instance, error) {
	f, err := openDir(parent, name)
	if err != nil {
		return nil, fmt.Errorf("open instance: %w", err)
	}
	i := &Instance{dir: dir, lock: f}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		i.Close()
		return nil, fmt.Errorf("stat instance %s: %w", dir, err)
	}
	if int(st.Uid) != os.Geteuid() || st.Mode&0o022 != 0 {
		i.Close()
		return nil, &overlay.Problem{Kind: overlay.ErrRefused,
			Text:   fmt.Sprintf("instance %s belongs to user %d with mode %04o", dir, st.Uid, st.Mode&0o7777),
			Advice: fmt.Sprintf("name a directory of user %d that only that user can write", os.Geteuid())}
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		i.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, &overlay.Problem{Kind: overlay.ErrBusy, Text: fmt.Sprintf("instance %s is in use", dir),
				Advice: "wait for the other larder run to end, or name another directory"}
		}
		return nil, fmt.Errorf("lock instance %s: %w", dir, err)
	}
	return i, nil
}

// Dir is the instance's directory.
func (i *Instance) Dir() string { return i.dir }

// Kept says whether the instance is used again.
func (i *Instance) Kept() bool { return i.record != nil }

// Add gives the mount called name its upper and work, and returns the directory
// that holds them. lowers says exactly what will be below, in any words that
// differ when the lowers do. fresh is false when a kept instance had it already.
func (i *Instance) Add(name string, lowers []string, owner overlay.Owner, mode os.FileMode) (dir string, fresh bool, err error) {
	return i.AddMasked(name, lowers, owner, mode, nil)
}

// AddMasked is Add for a mount with a mask, which fill writes into the
// directory it is given, unless it was written before. When fill fails, nothing
// was added.
func (i *Instance) AddMasked(name string, lowers []string, owner overlay.Owner, mode os.FileMode, fill func(dir string) error) (dir string, fresh bool, err error) {
	parts := []string{"u", "w"}
	if fill != nil {
		parts = append(parts, "m")
		lowers = append(slices.Clone(lowers), Mask)
	}
	if !isName(name) {
		return "", false, fmt.Errorf("add mount %q to instance: not a plain name", name)
	}
	dir = filepath.Join(i.dir, name)
	if i.record != nil {
		if had, ok := i.record.Mounts[name]; ok {
			if !slices.Equal(had, lowers) {
				return "", false, &overlay.Problem{Kind: overlay.ErrRefused,
					Text:   fmt.Sprintf("instance %s was made over other files (%s): %s", i.dir, name, difference(had, lowers)),
					Advice: "use the snapshot and lock it was made with, or name a new directory"}
			}
			for _, d := range parts {
				if !isDir(i.lock, name+"/"+d) {
					return "", false, i.foreign(name + "/" + d + " is missing")
				}
			}
			return dir, false, nil
		}
		if err := removeEmpty(i.lock, name); err != nil {
			return "", false, i.foreign(fmt.Sprintf("%s is there, and not recorded", name))
		}
	}
	if err := i.makeMount(name, parts, owner, mode, fill); err != nil {
		return "", false, err
	}
	if i.record != nil {
		i.record.Mounts[name] = slices.Clone(lowers)
		if err := i.write(); err != nil {
			return "", false, err
		}
	}
	return dir, true, nil
}

// makeMount makes the directory of a mount, and the parts in it.
func (i *Instance) makeMount(name string, parts []string, owner overlay.Owner, mode os.FileMode, fill func(dir string) error) error {
	self := overlay.Owner{UID: os.Geteuid(), GID: os.Getegid()}
	if err := makeDir(i.lock, name, self, 0o700); err != nil {
		return fmt.Errorf("make instance: %w", err)
	}
	dir, err := openDir(i.lock, name)
	if err != nil {
		return fmt.Errorf("make instance: %w", err)
	}
	defer dir.Close()
	for _, d := range parts {
		if err := makeDir(dir, d, owner, mode); err != nil {
			return fmt.Errorf("make instance: %w", err)
		}
	}
	if fill == nil {
		return nil
	}
	if err := fill(below(dir) + "/m"); err != nil {
		return errors.Join(err, removeEmpty(i.lock, name))
	}
	return nil
}

// Close lets go of the lock.
func (i *Instance) Close() error { return i.lock.Close() }
