package snapshot

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"strconv"

	"larder/snapshot/failpoint"
)

// turns is current.json. It is on disk before the link moves, and says of the snapshot that the
// link names now as well as of the one it is about to name: whoever reads it looks up what the
// link says, so the one rename decides of all of it.
type turns struct {
	// Before is what was current before each of them last became so.
	Before map[ID]ID `json:"before"`
	// Held is the snapshot that no build replaces, as long as it is current; zero for none.
	Held ID `json:"held"`
}

// turns reads current.json; a store whose link never moved has none.
func (s *Store) turns() (turns, error) {
	var t turns
	b, err := readSmall(s.join(turnsName), 1<<16)
	if errors.Is(err, fs.ErrNotExist) {
		return t, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &t)
	}
	if err == nil {
		return t, nil
	}
	if HostFault(err) != 0 {
		return t, &problem{kind: ErrHost, msg: "read " + turnsName, err: errno(err)}
	}
	return t, &problem{kind: ErrDamaged, msg: "what was current before, and whether the current snapshot is held, nobody knows: " + turnsName + " is not readable",
		err: err, hint: "larder use SNAPSHOT --hold or larder use --release writes it again"}
}

// CheckTurns says whether what is noted of current snapshots can be read.
func (s *Store) CheckTurns() error {
	_, err := s.turns()
	return err
}

// Previous is what was current before the snapshot that is, whatever was published since.
func (s *Store) Previous() (ID, error) {
	cur, err := s.Current()
	if err != nil {
		return ID{}, err
	}
	t, err := s.turns()
	if err != nil {
		return ID{}, err
	}
	id, ok := t.Before[cur]
	if !ok {
		return ID{}, &problem{kind: ErrNoSnapshot, msg: "no snapshot was current before this one, " + cur.Short(), hint: "larder ls lists the snapshots"}
	}
	return id, s.haveImage(id)
}

// Held is the current snapshot when it is held, else zero.
func (s *Store) Held() (ID, error) {
	cur, err := s.Current()
	if errors.Is(err, ErrNoSnapshot) {
		return ID{}, nil
	}
	if err != nil {
		return ID{}, err
	}
	t, err := s.turns()
	if err != nil || t.Held != cur {
		return ID{}, err
	}
	return cur, nil
}

// Use makes current name a snapshot of the store, by one rename, durably. While another one is
// held it is refused (ErrHeld).
func (s *Store) Use(id ID) error { return s.use(id, false) }

// Hold is Use, and no later build replaces it until Release. A hold on another one ends.
func (s *Store) Hold(id ID) error { return s.use(id, true) }

func (s *Store) use(id ID, hold bool) error {
	lock, err := s.Lock()
	if err != nil {
		return err
	}
	defer lock.Unlock()
	if err := s.haveImage(id); err != nil {
		return err
	}
	// A link that is lost or damaged holds nothing, and id mends it.
	if cur, err := s.Current(); err == nil && !hold {
		t, err := s.turns()
		switch {
		case err != nil:
			return err
		case t.Held == cur && cur != id:
			return &problem{kind: ErrHeld, msg: "snapshot " + cur.Short() + " is held as current",
				hint: "larder use " + id.Short() + " --hold holds that one instead; larder use --release ends the hold"}
		}
		hold = t.Held == cur
	}
	if err := s.noteTurn(id, hold); err != nil {
		return s.unwritable("switch current", err)
	}
	failpoint.Here("use: note turn")
	if err := s.setCurrent(id); err != nil {
		return s.unwritable("switch current", err)
	}
	failpoint.Here("use: switch")
	return nil
}

// Release lets builds replace the current snapshot again, and returns it. That none is held is no
// error.
func (s *Store) Release() (ID, error) {
	lock, err := s.Lock()
	if err != nil {
		return ID{}, err
	}
	defer lock.Unlock()
	id, err := s.Current()
	if err != nil {
		return ID{}, err
	}
	if err := s.noteTurn(id, false); err != nil {
		return ID{}, s.unwritable("release "+strconv.Quote(id.Short()), err)
	}
	failpoint.Here("use: release")
	return id, nil
}

// noteTurn writes down, durably, that id is about to be current, or that it is and whether it is
// held. Of what cannot be read nothing is kept.
func (s *Store) noteTurn(id ID, hold bool) error {
	old, _ := s.turns()
	next := turns{Before: map[ID]ID{}}
	keep := func(id ID) {
		if before, ok := old.Before[id]; ok {
			next.Before[id] = before
		}
	}
	keep(id)
	if cur, err := s.Current(); err == nil && cur != id {
		keep(cur)
		next.Before[id] = cur
	}
	if hold {
		next.Held = id
	}
	b, err := json.Marshal(next)
	if err != nil {
		return err
	}
	// Made in staging/, where the next holder of the lock removes what a kill leaves of it.
	tmp := s.join(stagingName, turnsName)
	if err := writeFile(tmp, append(b, '\n'), 0o600); err != nil {
		return err
	}
	failpoint.Here("current: note made")
	if err := os.Rename(tmp, s.join(turnsName)); err != nil {
		return err
	}
	failpoint.Here("current: noted")
	return syncDir(s.dir)
}

// setCurrent switches the one link that decides, by one rename, durably.
func (s *Store) setCurrent(id ID) error {
	tmp := s.join(stagingName, currentName)
	if err := os.Symlink(snapshotsName+"/"+id.String(), tmp); err != nil {
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
		if err := removeFile(tmp); err != nil {
			return err
		}
		if err := os.Symlink(snapshotsName+"/"+id.String(), tmp); err != nil {
			return err
		}
	}
	failpoint.Here("current: link made")
	if err := os.Rename(tmp, s.join(currentName)); err != nil {
		return err
	}
	failpoint.Here("current: renamed")
	return syncDir(s.dir)
}
