package snapshot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"larder/snapshot/trash"
)

// Stage is a build in progress: private, writable, and gone without a trace unless it is
// published. All methods but Publish and Close may be called from many goroutines.
type Stage struct {
	store *Store
	lock  *Lock
	ctx   context.Context
	dir   string // staging/<name>
	disk  *os.File

	mu     sync.Mutex
	staged map[Object]stagedObject
	serial int
	// unsynced: objects have final names that may not last. Close then leaves the stage's
	// directory, as a kill would, and the next holder of the lock syncs.
	unsynced bool
}

type stagedObject struct {
	path string
	size int64
}

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
// What a dead holder left in staging/ is moved to the trash.
func (s *Store) Lock() (*Lock, error) {
	dir, err := os.Open(s.join(stagingName))
	if err != nil {
		return nil, &problem{kind: ErrStore, msg: fmt.Sprintf("lock store %q", s.dir), err: errno(err),
			hint: "the store has lost a directory: larder verify"}
	}
	ok := false
	defer func() {
		if !ok {
			dir.Close()
		}
	}()
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
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
	// Information only, so it is neither synced nor needed: an old one is simply overwritten.
	if err := os.WriteFile(s.join(stagingName, holderName), b, 0o600); err != nil {
		return nil, s.unwritable("lock store "+strconv.Quote(s.dir), err)
	}
	if err := s.sweepStaging(); err != nil {
		return nil, s.unwritable("clear staging of store "+strconv.Quote(s.dir), err)
	}
	ok = true
	return &Lock{dir: dir}, nil
}

// Unlock lets the next one in.
func (l *Lock) Unlock() error { return l.dir.Close() }

func (s *Store) busy() error {
	p := &problem{kind: ErrBusy, msg: fmt.Sprintf("store %q is locked by another build or gc", s.dir),
		hint: "wait for it to end, then try again"}
	var h holder
	if b, err := os.ReadFile(s.join(stagingName, holderName)); err == nil && json.Unmarshal(b, &h) == nil && h.PID > 0 {
		p.msg = fmt.Sprintf("store %q is locked by process %d since %s", s.dir, h.PID, h.Since.Format(time.RFC3339))
	}
	return p
}

func (s *Store) unwritable(op string, err error) error {
	if errors.Is(err, unix.EROFS) {
		return &problem{kind: ErrStore, msg: op, err: unix.EROFS,
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
		case err != nil:
			return &problem{kind: ErrStore, msg: fmt.Sprintf("store %q has no directory %s", s.dir, name), err: err,
				hint: "larder verify says what else is missing"}
		case st.Mode&unix.S_IFMT != unix.S_IFDIR:
			return &problem{kind: ErrStore, msg: fmt.Sprintf("%s in store %q is not a directory", name, s.dir),
				hint: "larder verify says what else is wrong"}
		case st.Dev != root.Dev:
			return &problem{kind: ErrStore, msg: fmt.Sprintf("%s in store %q is on another file system", name, s.dir),
				hint: "unmount it: a store lives on one file system"}
		}
	}
	return nil
}

// sweepStaging moves what a dead build left into the trash. A snapshot that a dead gc had taken
// away goes back to its place when a lease names it, since that gc may have died between taking
// it and looking again.
func (s *Store) sweepStaging() error {
	entries, err := os.ReadDir(s.join(stagingName))
	if err != nil {
		return err
	}
	var leases []Lease
	died := false
	for _, e := range entries {
		if e.Name() == holderName {
			continue
		}
		died = true
		path := s.join(stagingName, e.Name())
		if rest, ok := strings.CutPrefix(e.Name(), gonePrefix); ok {
			if leases == nil {
				if leases, err = s.Leases(); err != nil {
					return err
				}
			}
			if id, err := ParseDigest(rest); err == nil && Leased(leases, id) {
				if err := s.Restore(id); err != nil {
					return err
				}
				continue
			}
		}
		if err := s.Trash(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if !died {
		return nil
	}
	// It may have died between renaming objects and syncing their directories. They look whole to
	// the next build, which would not sync names it did not make: so they are made to last here.
	d, err := os.Open(s.dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return unix.Syncfs(int(d.Fd()))
}

// Begin takes the writer lock, clears what a dead build left, empties the trash and starts a stage.
func (s *Store) Begin(ctx context.Context) (*Stage, error) {
	lock, err := s.Lock()
	if err != nil {
		return nil, err
	}
	st, err := s.begin(ctx, lock)
	if err != nil {
		lock.Unlock()
		return nil, s.unwritable("begin build in store "+strconv.Quote(s.dir), err)
	}
	return st, nil
}

func (s *Store) begin(ctx context.Context, lock *Lock) (*Stage, error) {
	// What cannot be removed now is no reason not to build: gc reports it.
	if err := s.EmptyTrash(); isSpace(err) || errors.Is(err, unix.EROFS) {
		return nil, err
	}
	dir, err := os.MkdirTemp(s.join(stagingName), "build-")
	if err != nil {
		return nil, err
	}
	// syncfs reports a lost write only to a descriptor that was open when it was lost.
	disk, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	return &Stage{store: s, lock: lock, ctx: ctx, dir: dir, disk: disk, staged: map[Object]stagedObject{}}, nil
}

// Close ends the stage: what was not published or kept is removed, and the lock released. It may
// be called more than once, so that a deferred call does no harm.
func (st *Stage) Close() error {
	if st.lock == nil {
		return nil
	}
	lock := st.lock
	st.lock = nil
	st.disk.Close()
	if st.unsynced {
		return lock.Unlock()
	}
	parent, err := os.Open(st.store.join(stagingName))
	if err == nil {
		err = trash.Remove(parent, strings.TrimPrefix(st.dir, st.store.join(stagingName)+"/"))
		parent.Close()
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, lock.Unlock())
}

// Has says whether an object is in the pool or in this stage, and its size.
func (st *Stage) Has(o Object) (size int64, ok bool) {
	st.mu.Lock()
	so, ok := st.staged[o]
	st.mu.Unlock()
	if ok {
		return so.size, true
	}
	return st.store.objectSize(o)
}

// Open reads an object back, from the stage or the pool.
func (st *Stage) Open(o Object) (*os.File, error) {
	st.mu.Lock()
	so, ok := st.staged[o]
	st.mu.Unlock()
	if ok {
		f, err := os.Open(so.path)
		if !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
		// Kept or published since: it is in the pool now.
	}
	return st.store.OpenObject(o)
}

// OpenObject opens an object of the pool.
func (s *Store) OpenObject(o Object) (*os.File, error) {
	f, err := os.OpenFile(s.join(objectsName, o.Path()), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &problem{kind: ErrDamaged, msg: "object " + o.Path() + " is missing", err: fs.ErrNotExist,
			hint: "larder verify says what needs it"}
	}
	return f, err
}

// objectSize looks an object up in the pool. Only a plain file with the mode of an object counts:
// anything else under that name is damage, and is written again.
func (s *Store) objectSize(o Object) (int64, bool) {
	var st unix.Stat_t
	if unix.Lstat(s.join(objectsName, o.Path()), &st) != nil {
		return 0, false
	}
	return st.Size, st.Mode == unix.S_IFREG|o.Mode()
}

// Mode is the permission bits of an object's file.
func (o Object) Mode() uint32 {
	if o.Exec {
		return 0o555
	}
	return 0o444
}
