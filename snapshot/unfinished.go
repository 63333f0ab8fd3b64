package snapshot

import (
	"errors"
	"io/fs"
	"os"
	"strings"
)

// Building says whether a build is at work, or was killed and nobody has cleared up behind it.
// Until it switches current for the first time a store has a snapshot and no current.
func (s *Store) Building() (bool, error) {
	entries, err := os.ReadDir(s.join(stagingName))
	if err != nil {
		return false, err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), buildPrefix) {
			return true, nil
		}
	}
	return false, nil
}

// finishFirst ends a store's first publish, which was killed before its last step: its snapshot
// is complete, and without a current one nobody could tell it from a store that lost the link.
// The caller holds the writer lock and has found a dead build.
func (s *Store) finishFirst() error {
	if _, err := os.Lstat(s.join(currentName)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	all, err := s.List()
	if err != nil || len(all) != 1 || all[0].Sequence != 1 {
		return err
	}
	if err := syncDir(s.join(snapshotsName)); err != nil {
		return err
	}
	return s.setCurrent(all[0].ID)
}
