package snapshot

import (
	"errors"
	"io/fs"
	"maps"
	"slices"
	"time"

	"larder/snapshot/failpoint"
)

// What waits to be kept does so until there is this much of it, or the first has waited this long and another
// comes: no more than anybody minds to fetch again.
const (
	keepBytes = 256 << 20
	keepAfter = 10 * time.Second
)

// keeping is what a stage keeps before it is published.
type keeping struct {
	waiting []Object
	bytes   int64
	since   time.Time       // the first of them came
	busy    bool            // one goroutine keeps what waited
	dirs    map[string]bool // directories of the pool that got an object, and are not synced yet
}

// KeepSoon is Keep for one of many, which share a sync: 1,000 small tarballs took 2,000 of them. Publish or Close
// keep it at the latest. A kill loses what waits.
func (st *Stage) KeepSoon(o Object) error {
	st.mu.Lock()
	so, staged := st.staged[o]
	if !staged {
		st.mu.Unlock()
		return st.Keep(o) // which looks for it in the pool
	}
	k := &st.keeping
	if len(k.waiting) == 0 {
		k.since = time.Now()
	}
	k.waiting, k.bytes = append(k.waiting, o), k.bytes+so.size
	due := !k.busy && (k.bytes >= keepBytes || time.Since(k.since) >= keepAfter)
	st.mu.Unlock()
	if !due {
		return nil
	}
	return st.keepWaiting()
}

// keepWaiting keeps what waits. One sync makes all of it durable before any has its final name; the names are
// for Publish or Close to sync, or, after a kill, for the next holder of the lock.
func (st *Stage) keepWaiting() error {
	st.mu.Lock()
	k := &st.keeping
	objects := k.waiting
	if k.busy || len(objects) == 0 {
		st.mu.Unlock()
		return nil
	}
	k.waiting, k.bytes, k.busy = nil, 0, true
	st.mu.Unlock()
	err := st.syncAll()
	failpoint.Here("keep: synced")
	for _, o := range objects {
		if err != nil {
			break
		}
		err = st.placeKept(o)
		failpoint.Here("keep: object renamed")
	}
	st.mu.Lock()
	k.busy = false
	st.mu.Unlock()
	if err != nil {
		return st.writeError(err)
	}
	return nil
}

// placeKept gives a synced object its final name, unless it has it.
func (st *Stage) placeKept(o Object) error {
	so, staged, _ := st.know(o)
	if !staged {
		return nil
	}
	err := st.store.place(so.path, o)
	ino, there := st.store.statObject(o)
	if errors.Is(err, fs.ErrNotExist) && there == nil {
		err = nil // another goroutine keeps the same object
	}
	if err != nil {
		return err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	delete(st.staged, o)
	st.seen[o] = sighting{size: so.size, ctime: ino.Ctim.Nano(), read: true}
	if st.keeping.dirs == nil {
		st.keeping.dirs = map[string]bool{}
	}
	st.keeping.dirs[o.Path()[:2]] = true
	return nil
}

// keepAll keeps what waits and makes it last, for a stage that ends without a snapshot.
func (st *Stage) keepAll() error {
	err := st.keepWaiting()
	for _, dir := range slices.Sorted(maps.Keys(st.keeping.dirs)) {
		if serr := syncDir(st.store.join(objectsName, dir)); serr != nil {
			err, st.unsynced = errors.Join(err, serr), true
		}
	}
	return err
}
