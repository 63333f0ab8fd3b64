package snapshot

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"larder/snapshot/failpoint"
)

// step is one durable action of a publish. Tests stop after each one and look.
type step struct {
	name string
	do   func(*publication) error
}

// publication is a publish on its way through the steps.
type publication struct {
	*Stage
	write func(*os.File) error
	meta  map[string]string

	dirs  map[string]bool // directories of the pool that got an object
	aside string          // the snapshot's directory while it is in staging
	id    ID
	known bool // the store has a snapshot of this id already, whole
	worse bool // it has one that is damaged: this one takes its place
	turn  bool // current is to be switched
	new   bool
}

// publishSteps is the durable order. Each step relies on the ones before being on disk, and none
// makes anything visible before what it names is: objects before the image that names them, the
// image before its directory has its final name, that and what is current now before `current`. So
// a kill or a power cut between any two leaves the old snapshot or the new one, and rubbish in
// staging/ only.
//
// A damaged snapshot of the same id changes places with the new one, its whole directory by one
// rename: mounts of the damaged image keep the file they have, and nothing is written into it.
//
// Rename without the first sync leaves empty files under final names after a power cut, and
// without the second loses the names (both seen on ext4 and XFS).
var publishSteps = []step{
	{"image", (*publication).makeImage},
	{"sync staged", (*publication).syncStaged},
	{"rename objects", (*publication).renameObjects},
	{"sync objects", (*publication).syncObjects},
	{"describe", (*publication).describe},
	{"rename snapshot", (*publication).renameSnapshot},
	{"sync snapshots", (*publication).syncSnapshots},
	{"mend marks", func(p *publication) error { return p.store.MendMarks() }},
	{"note turn", (*publication).noteTurn},
	{"switch", (*publication).switchCurrent},
}

// afterStep is called after each step; tests kill the process there.
var afterStep = func(name string) { failpoint.Here("publish: " + name) }

// Publish seals what was staged: image writes the image, which may name any object of the pool or
// of this stage that Has confirms, and interpreters is kept beside it. The id is the image's digest.
// When current is that snapshot already, and its image is whole, nothing changes and new is false;
// when the store has it but current names another, current is switched; when the store's is
// damaged, it is replaced and keeps its place in the order. Where current is not to be switched (see
// Stage.LeaveCurrent and Store.Hold), new says whether the store had no such snapshot.
func (st *Stage) Publish(image func(w *os.File) error, interpreters map[string]string) (id ID, new bool, err error) {
	p := &publication{Stage: st, write: image, meta: maps.Clone(interpreters), dirs: map[string]bool{}}
	for _, step := range publishSteps {
		if err := st.ctx.Err(); err != nil {
			return ID{}, false, err
		}
		if err := step.do(p); err != nil {
			return ID{}, false, spaceError("publish: "+step.name, st.store.dir, 0, err)
		}
		afterStep(step.name)
	}
	st.writeChecked()
	return p.id, p.new, nil
}

func (p *publication) makeImage() error {
	p.aside = filepath.Join(p.dir, "snapshot")
	if err := mkdir(p.aside, 0o755); err != nil {
		return err
	}
	var err error
	if p.id, err = writeImage(filepath.Join(p.aside, imageName), p.write); err != nil {
		return err
	}
	return p.compare()
}

// writeImage writes an image durably and returns its digest.
func writeImage(path string, write func(*os.File) error) (id ID, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return id, err
	}
	defer f.Close()
	if err := write(f); err != nil {
		return id, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return id, err
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return id, err
	}
	if err := f.Chmod(0o444); err != nil {
		return id, err
	}
	if err := f.Sync(); err != nil {
		return id, fmt.Errorf("sync image: %w; data not trusted", errno(err))
	}
	return ID(h.Sum(nil)), nil
}

// compare looks at the snapshot of the same id that the store may have: whole, it stays.
func (p *publication) compare() error {
	if _, err := os.Lstat(p.store.SnapshotDir(p.id)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	err := p.store.CheckImage(p.id)
	if err != nil && !errors.Is(err, ErrDamaged) {
		return err
	}
	p.known = err == nil && p.store.CheckPublished(p.id) == nil
	p.worse = !p.known
	return nil
}

func (p *publication) syncStaged() error {
	if len(p.staged) == 0 && p.lost == nil {
		return nil
	}
	return p.syncAll()
}

// syncfs is a variable for tests, which count and fail it.
var syncfs = func(fd int) error { return ignoringEINTR(func() error { return unix.Syncfs(fd) }) }

// syncAll makes what was staged so far durable. Once it cannot, nothing staged is trusted.
func (st *Stage) syncAll() error {
	if st.lost == nil {
		if err := syncfs(int(st.disk.Fd())); err != nil {
			st.lost = fmt.Errorf("%w; data not trusted", err)
		}
	}
	return st.lost
}

func (p *publication) renameObjects() error {
	p.unsynced = true
	for o, so := range p.staged {
		if err := p.store.place(so.path, o); err != nil {
			return err
		}
		failpoint.Here("publish: object renamed")
		ino, _ := p.store.statObject(o)
		p.saw(o, sighting{size: so.size, ctime: ino.Ctim.Nano(), read: true})
		p.dirs[o.Path()[:2]] = true
		delete(p.staged, o)
	}
	return nil
}

func (p *publication) syncObjects() error {
	maps.Copy(p.dirs, p.keeping.dirs)
	p.keeping = keeping{}
	for dir := range p.dirs {
		if err := syncDir(p.store.join(objectsName, dir)); err != nil {
			return err
		}
	}
	p.unsynced = false
	return nil
}

func (p *publication) describe() error {
	if p.known {
		return nil
	}
	d, err := p.store.published(p.id)
	if err != nil {
		if d, err = p.next(); err != nil {
			return err
		}
	}
	b, err := d.encode(p.id)
	if err != nil {
		return err
	}
	if err := writeFile(filepath.Join(p.aside, publishedName), b, 0o444); err != nil {
		return err
	}
	return syncDir(p.aside)
}

// next is what a new snapshot says: the last of all.
func (p *publication) next() (published, error) {
	now := time.Now().UTC().Truncate(time.Second)
	all, err := p.store.List()
	return published{Sequence: nextSequence(all, now), Time: now, Interpreters: p.meta}, err
}

// nextSequence is beyond the number of every snapshot there is. One that cannot be read cannot be
// guessed, but no store publishes more than once a second: the seconds since 1970 are beyond it.
func nextSequence(all []Published, now time.Time) int64 {
	next := int64(1)
	for _, p := range all {
		next = max(next, p.Sequence+1)
		if p.Unreadable != nil {
			next = max(next, now.Unix())
		}
	}
	return next
}

func (p *publication) renameSnapshot() error {
	if p.known {
		return nil
	}
	flags := uint(unix.RENAME_NOREPLACE)
	if p.worse {
		flags = unix.RENAME_EXCHANGE // the damaged one is in the stage then, and goes with it
	}
	err := unix.Renameat2(unix.AT_FDCWD, p.aside, unix.AT_FDCWD, p.store.SnapshotDir(p.id), flags)
	if err != nil {
		return &fs.PathError{Op: "rename", Path: p.store.SnapshotDir(p.id), Err: err}
	}
	p.unsynced = true // until current has been decided: a store's first snapshot needs one
	return nil
}

func (p *publication) syncSnapshots() error {
	if err := syncDir(p.store.join(snapshotsName)); err != nil || !p.worse {
		return err
	}
	return syncDir(p.dir) // the other end of the exchange
}

// noteTurn decides whether current is switched, and writes down what it names before it is.
func (p *publication) noteTurn() error {
	leave, held := false, false
	if cur, err := p.store.Current(); err == nil { // a link that is lost or damaged is replaced
		if cur == p.id {
			p.new = p.worse
			return nil
		}
		t, err := p.store.turns()
		if err != nil {
			return err
		}
		held = t.Held == cur
		leave = p.LeaveCurrent || held && !p.MoveHold
	}
	if p.new = !leave || !p.known; leave {
		return nil
	}
	p.turn = true
	return p.store.noteTurn(p.id, held)
}

func (p *publication) switchCurrent() error {
	if p.turn {
		if err := p.store.setCurrent(p.id); err != nil {
			return err
		}
	}
	p.unsynced = false
	return nil
}
