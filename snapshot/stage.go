package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"larder/snapshot/failpoint"
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

	// LeaveCurrent has Publish leave current as it is. A store without one gets it all the same:
	// what is published there would else be nobody's.
	LeaveCurrent bool
	// MoveHold has Publish replace a snapshot that is held, and hold the new one in its place.
	MoveHold bool

	mu      sync.Mutex
	staged  map[Object]stagedObject
	seen    map[Object]sighting
	before  *checked // what earlier builds know
	hashed  int64    // bytes of the pool that were read
	serial  int
	keeping keeping
	lost    error // what was staged may not be on disk, and the kernel says so only once
	// unsynced: what was published has final names that may not last, or is not current yet. Close
	// then leaves the stage's directory, as a kill would, and the next holder of the lock goes on.
	unsynced bool
}

// sighting is what this stage knows of an object's file in the pool.
type sighting struct {
	size  int64 // or bad
	ctime int64 // when the kernel last changed the file that holds the right bytes, in ns; 0 is unknown
	read  bool  // this stage has read them, or written them
}

// bad is the size of a damaged object.
const bad = -1

type stagedObject struct {
	path string
	size int64
}

// Begin takes the writer lock, clears what a dead build left, empties the trash and starts a stage.
func (s *Store) Begin(ctx context.Context) (*Stage, error) {
	lock, err := s.Lock()
	if err != nil {
		return nil, err
	}
	// Whether current may be switched is asked at the end: not to know it is said at once.
	if err := s.CheckTurns(); err != nil {
		lock.Unlock()
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
	if err := s.EmptyTrash(ctx); isSpace(err) || errors.Is(err, unix.EROFS) {
		return nil, err
	}
	dir, err := os.MkdirTemp(s.join(stagingName), buildPrefix)
	if err != nil {
		return nil, err
	}
	failpoint.Here("build: stage made")
	// syncfs reports a lost write only to a descriptor that was open when it was lost.
	disk, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	st := &Stage{store: s, lock: lock, ctx: ctx, dir: dir, disk: disk,
		staged: map[Object]stagedObject{}, seen: map[Object]sighting{}, before: s.readChecked()}
	if err := st.distrust(); err != nil {
		disk.Close()
		return nil, err
	}
	return st, nil
}

// Close ends the stage: what was not published or kept is removed, and the lock released. It may
// be called more than once, so that a deferred call does no harm.
func (st *Stage) Close() error {
	if st.lock == nil {
		return nil
	}
	lock := st.lock
	st.lock = nil
	kept := st.keepAll()
	st.disk.Close()
	if st.unsynced {
		return errors.Join(kept, lock.Unlock())
	}
	parent, err := os.Open(st.store.join(stagingName))
	if err == nil {
		err = trash.Remove(parent, strings.TrimPrefix(st.dir, st.store.join(stagingName)+"/"))
		parent.Close()
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(kept, err, lock.Unlock())
}

// Scratch makes a private directory for temporary files, on the store's file system. What its user does
// not remove goes with the stage.
func (st *Stage) Scratch() (string, error) {
	dir, err := os.MkdirTemp(st.dir, "scratch-")
	if err != nil {
		return "", st.writeError(err)
	}
	return dir, nil
}

// Has says whether an object is in the pool or in this stage, and its size, as far as names and
// modes tell without reading. One that Check found damaged is not there.
func (st *Stage) Has(o Object) (size int64, ok bool) {
	so, staged, seen := st.know(o)
	switch {
	case staged:
		return so.size, true
	case seen.size == bad:
		return 0, false
	}
	ino, err := st.store.statObject(o)
	return ino.Size, err == nil
}

// know returns what is known of an object without looking.
func (st *Stage) know(o Object) (so stagedObject, staged bool, seen sighting) {
	st.mu.Lock()
	defer st.mu.Unlock()
	so, staged = st.staged[o]
	return so, staged, st.seen[o]
}

// Reuse looks at an object that an earlier snapshot has with this size, and that a new one is to
// have as it is. It reads the file when it was changed since it was known to be right, and in its
// turn; see checked. ErrDamaged as from Check: it has to be made again.
func (st *Stage) Reuse(o Object, size int64) error {
	so, staged, seen := st.know(o)
	n, err := max(so.size, seen.size), error(nil)
	if !staged && seen.size <= 0 {
		n, err = st.look(o, size)
	}
	if err == nil && n != size {
		err = damagedObject(o, fmt.Sprintf("is %d bytes, want %d", n, size), nil)
	}
	if errors.Is(err, ErrDamaged) {
		st.saw(o, sighting{size: bad})
	}
	return err
}

// look returns the size of an object in the pool, and reads it when there is reason to.
func (st *Stage) look(o Object, size int64) (int64, error) {
	ino, err := st.store.statObject(o)
	if err != nil || ino.Size != size {
		return ino.Size, err
	}
	if !st.before.same(o, ino.Ctim.Nano()) {
		return st.Check(o)
	}
	st.saw(o, sighting{size: size, ctime: ino.Ctim.Nano()})
	return size, nil
}

func (st *Stage) saw(o Object, s sighting) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.seen[o] = s
}

// Check reads an object that something new is to be made of, once in the life of the stage, and
// returns its size. What it finds damaged (ErrDamaged, see Store.CheckObject) counts as missing
// from then on: the right bytes, once they are written, take the place of the damaged file.
func (st *Stage) Check(o Object) (size int64, err error) {
	so, staged, seen := st.know(o)
	switch {
	case staged:
		return so.size, nil // hashed while it was written
	case seen.read:
		return seen.size, nil
	}
	ino, err := st.store.readObject(o)
	if err != nil && !errors.Is(err, ErrDamaged) {
		return 0, err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if was := st.seen[o]; !was.read && was.size != bad {
		st.hashed += ino.Size
	}
	if err != nil {
		st.seen[o] = sighting{size: bad}
		return 0, err
	}
	st.seen[o] = sighting{size: ino.Size, ctime: ino.Ctim.Nano(), read: true}
	return ino.Size, nil
}

// Hashed is how many bytes of the pool this stage has read to compare them with their names. Each
// object counts once, also where two readers came for it at the same time.
func (st *Stage) Hashed() int64 {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.hashed
}

// holds says whether the stage or the pool has content that was just hashed, byte for byte: a
// damaged file of the right size must not outlive the right bytes.
func (st *Stage) holds(o Object, size int64) bool {
	if n, ok := st.Has(o); !ok || n != size {
		return false
	}
	_, err := st.Check(o)
	return err == nil
}

// Open reads an object back, from the stage or the pool, where it is checked first.
func (st *Stage) Open(o Object) (*os.File, error) {
	if _, err := st.Check(o); err != nil {
		return nil, err
	}
	if so, staged, _ := st.know(o); staged {
		f, err := os.Open(so.path)
		if !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
		// Kept or published since: it is in the pool now.
	}
	return st.store.OpenObject(o)
}

// OpenObject opens an object of the pool. It does not look at its bytes: see CheckObject.
func (s *Store) OpenObject(o Object) (*os.File, error) {
	f, err := os.OpenFile(s.join(objectsName, o.Path()), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &problem{kind: ErrDamaged, msg: "object " + o.Path() + " is missing", err: fs.ErrNotExist,
			hint: "larder verify says what needs it"}
	}
	return f, err
}

// Mode is the permission bits of an object's file.
func (o Object) Mode() uint32 {
	if o.Exec {
		return 0o555
	}
	return 0o444
}
