package snapshot

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"larder/snapshot/failpoint"
)

// Lock is the writer lock of a store, held by one build or gc at a time.
type Lock struct {
	dir *os.File
}

type holder struct {
	PID   int       `json:"pid"`
	Since time.Time `json:"since"`
}

// Lock takes the writer lock without waiting: whoever comes second gets ErrBusy and is told who
// holds it. The lock is the kernel's (flock on staging/), so a killed holder leaves none behind.
// What a dead holder left in staging/ is moved to the trash, and what killed writers left beside
// the files they were about to replace is removed.
func (s *Store) Lock() (*Lock, error) {
	dir, err := os.OpenFile(s.join(stagingName), os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, s.missing(stagingName)
	case errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ELOOP):
		return nil, s.notDir(stagingName)
	case err != nil:
		return nil, &problem{kind: ErrHost, msg: fmt.Sprintf("lock store %q", s.dir), err: errno(err)}
	}
	ok := false
	defer func() {
		if !ok {
			dir.Close()
		}
	}()
	if err := lockFile(dir); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, s.busy()
		}
		return nil, fmt.Errorf("lock store %q: %w", s.dir, err)
	}
	if err := s.oneFileSystem(); err != nil {
		return nil, err
	}
	b, err := json.Marshal(holder{PID: os.Getpid(), Since: time.Now().UTC().Truncate(time.Second)})
	if err != nil {
		return nil, err
	}
	// Information only, so it is neither synced nor needed: a full disk must not keep gc from
	// emptying it, nor whatever else has the name. That nothing can be written is said here, first.
	if err := WriteFile(s.join(stagingName, holderName), b, 0o600); errors.Is(err, unix.EROFS) {
		return nil, s.unwritable("lock store "+strconv.Quote(s.dir), err)
	}
	failpoint.Here("lock: taken")
	s.sweepTemps()
	if err := s.sweepStaging(); err != nil {
		return nil, s.unwritable("clear staging of store "+strconv.Quote(s.dir), err)
	}
	failpoint.Here("lock: staging swept")
	if err := s.dropTornLeases(); err != nil {
		return nil, err
	}
	ok = true
	return &Lock{dir: dir}, nil
}

// Unlock lets the next one in. Closing alone would not while a child that is being started has the
// descriptor still: it goes with the child's exec.
func (l *Lock) Unlock() error {
	err := ignoringEINTR(func() error { return unix.Flock(int(l.dir.Fd()), unix.LOCK_UN) })
	return errors.Join(err, l.dir.Close())
}

func (s *Store) busy() error {
	p := &problem{kind: ErrBusy, msg: fmt.Sprintf("store %q is locked by another build or gc", s.dir),
		hint: "wait for it to end, then try again"}
	var h holder
	if b, err := readSmall(s.join(stagingName, holderName), 4096); err == nil && json.Unmarshal(b, &h) == nil && h.PID > 0 {
		p.msg = fmt.Sprintf("store %q is locked by process %d since %s", s.dir, h.PID, h.Since.Format(time.RFC3339))
	}
	return p
}

func (s *Store) unwritable(op string, err error) error {
	if errors.Is(err, unix.EROFS) {
		return &problem{kind: ErrHost, msg: op, err: unix.EROFS,
			hint: "its file system is mounted read-only: mount -o remount,rw it; what is published can still be used"}
	}
	return spaceError(op, s.dir, 0, err)
}

// oneFileSystem refuses a store stitched together from mounts: publishing is a rename, and a
// silent copy instead would be neither atomic nor quick.
func (s *Store) oneFileSystem() error {
	var root, st unix.Stat_t
	if err := unix.Stat(s.dir, &root); err != nil {
		return fmt.Errorf("lock store %q: %w", s.dir, err)
	}
	for _, name := range storeDirs {
		switch err := unix.Lstat(s.join(name), &st); {
		case errors.Is(err, unix.ENOENT):
			return s.missing(name)
		case err != nil:
			return fmt.Errorf("lock store %q: %s: %w", s.dir, name, err)
		case st.Mode&unix.S_IFMT != unix.S_IFDIR:
			return s.notDir(name)
		case st.Dev != root.Dev:
			return &problem{kind: ErrStore, msg: fmt.Sprintf("%s in store %q is on another file system", name, s.dir),
				hint: "unmount it: a store lives on one file system"}
		}
	}
	return nil
}

// missing: one of the store's own directories is gone.
func (s *Store) missing(name string) error {
	return &problem{kind: ErrDamaged, msg: fmt.Sprintf("store %q has no directory %s", s.dir, name),
		hint: "larder verify says what else is missing, and how to mend it"}
}

func (s *Store) notDir(name string) error {
	return &problem{kind: ErrDamaged, msg: fmt.Sprintf("%s in store %q is not a directory", name, s.dir),
		hint: "larder verify says what else is wrong"}
}

// sweepStaging moves what a dead build left into the trash, once what it had acknowledged first is
// complete, and then brings back what a dead gc had set aside.
func (s *Store) sweepStaging() error {
	entries, err := os.ReadDir(s.join(stagingName))
	if err != nil {
		return err
	}
	entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return e.Name() == holderName })
	if len(entries) == 0 {
		return nil
	}
	var aside []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), gonePrefix) || s.reaped(e.Name()) != "" {
			aside = append(aside, e.Name())
			continue
		}
		if strings.HasPrefix(e.Name(), buildPrefix) {
			if err := s.finishFirst(); err != nil {
				return err
			}
		}
		if err := s.trashStaged(e.Name()); err != nil {
			return err
		}
	}
	failpoint.Here("lock: dead stage trashed")
	for _, name := range aside {
		if err := s.bringBack(name); err != nil {
			return err
		}
	}
	// Who died may have done so between renaming objects and syncing their directories. They look
	// whole to the next build, which would not sync names it did not make: they are made to last here.
	d, err := os.Open(s.dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return ignoringEINTR(func() error { return unix.Syncfs(int(d.Fd())) })
}

// bringBack undoes what a dead gc began. A snapshot goes back to its place when a lease names it,
// since that gc may have died between taking it and looking again. A lease or an instance goes
// back where it was, unless there is another by now: the next gc looks again.
func (s *Store) bringBack(name string) error {
	if rest, ok := strings.CutPrefix(name, gonePrefix); ok {
		leases, err := s.Leases()
		if err != nil {
			return err
		}
		if id, err := ParseDigest(rest); err == nil && Leased(leases, id) {
			return s.Restore(id)
		}
		return s.trashStaged(name)
	}
	err := unix.Renameat2(unix.AT_FDCWD, s.join(stagingName, name), unix.AT_FDCWD, s.reaped(name), unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EEXIST) {
		return s.trashStaged(name)
	}
	return err
}

// trashStaged moves an entry of staging/ into the trash, or removes it here when there is no room
// for a rename.
func (s *Store) trashStaged(name string) error {
	err := s.Trash(s.join(stagingName, name))
	if isSpace(err) {
		err = removeFile(s.join(stagingName, name))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
