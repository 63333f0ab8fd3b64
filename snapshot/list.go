package snapshot

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Published is one snapshot of the list. Sequence orders them; the time is for people, because
// clocks jump.
type Published struct {
	ID           ID                `json:"id"`
	Sequence     int64             `json:"sequence"`
	Time         time.Time         `json:"time"`
	Interpreters map[string]string `json:"interpreters,omitempty"`

	Bad *Bad `json:"bad,omitempty"` // nil: it may be attached

	// Unreadable is why published.json could not be read: when it was published, and before
	// which others, nobody knows.
	Unreadable error `json:"-"`
}

// List returns the snapshots, newest first, and after them those with Unreadable set.
func (s *Store) List() ([]Published, error) {
	entries, err := os.ReadDir(s.join(snapshotsName))
	if err != nil {
		return nil, fmt.Errorf("list snapshots: %w", err)
	}
	var all []Published
	for _, e := range entries {
		id, err := ParseDigest(e.Name())
		if err != nil {
			continue // not ours; verify names it
		}
		p, err := s.published(id)
		if errors.Is(err, fs.ErrNotExist) {
			if _, err := os.Lstat(s.SnapshotDir(id)); errors.Is(err, fs.ErrNotExist) {
				continue // collected while we were reading
			}
		}
		all = append(all, Published{ID: id, Sequence: p.Sequence, Time: p.Time, Interpreters: p.Interpreters, Bad: s.Bad(id), Unreadable: err})
	}
	slices.SortFunc(all, func(a, b Published) int {
		return cmp.Or(cmp.Compare(b.Sequence, a.Sequence), strings.Compare(a.ID.String(), b.ID.String()))
	})
	return all, nil
}

func (s *Store) published(id ID) (published, error) {
	var p published
	b, err := readSmall(filepath.Join(s.SnapshotDir(id), publishedName), 1<<20)
	if err != nil {
		return p, err
	}
	if p, err = decodePublished(id, b); err != nil {
		return published{}, &problem{kind: ErrDamaged, msg: "published.json of snapshot " + id.Short() + " is not readable", err: err}
	}
	return p, nil
}

// Current is the snapshot that `current` names.
func (s *Store) Current() (ID, error) {
	target, err := os.Readlink(s.join(currentName))
	switch {
	case errors.Is(err, fs.ErrNotExist) && s.lostCurrent():
		return ID{}, &problem{kind: ErrDamaged, msg: "store " + strconv.Quote(s.dir) + " has snapshots, and no current one",
			hint: "larder ls lists the snapshots, larder use SNAPSHOT sets current"}
	case errors.Is(err, fs.ErrNotExist):
		return ID{}, &problem{kind: ErrNoSnapshot, msg: "store " + strconv.Quote(s.dir) + " has no current snapshot yet",
			hint: "larder build publishes one"}
	case errors.Is(err, unix.EINVAL): // no link
		return ID{}, &problem{kind: ErrDamaged, msg: "current is not a link", hint: "larder use SNAPSHOT sets it"}
	case err != nil:
		return ID{}, &problem{kind: ErrHost, msg: "read current", err: errno(err)}
	}
	rest, ok := strings.CutPrefix(target, snapshotsName+"/")
	id, perr := ParseDigest(rest)
	if !ok || perr != nil {
		return ID{}, &problem{kind: ErrDamaged, msg: "current points to " + strconv.Quote(clip(target)) + ", which is no snapshot",
			hint: "larder ls lists the snapshots, larder use SNAPSHOT sets current"}
	}
	switch _, err := os.Lstat(s.SnapshotDir(id)); {
	case errors.Is(err, unix.ENOTDIR):
		return ID{}, s.notDir(snapshotsName)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return ID{}, &problem{kind: ErrHost, msg: "look at snapshot " + id.Short(), err: errno(err)}
	case err != nil:
		return ID{}, &problem{kind: ErrDamaged, msg: "current points to snapshot " + id.Short() + ", which is missing",
			err: fs.ErrNotExist, hint: "larder ls lists the snapshots, larder use SNAPSHOT sets current"}
	}
	return id, nil
}

// lostCurrent says whether there is no current link, though there are snapshots and no first build
// that has still to make it.
func (s *Store) lostCurrent() bool {
	if building, err := s.Building(); err != nil || building {
		return false
	}
	entries, err := os.ReadDir(s.join(snapshotsName))
	if err != nil || !slices.ContainsFunc(entries, func(e fs.DirEntry) bool { _, err := ParseDigest(e.Name()); return err == nil }) {
		return false
	}
	_, err = os.Lstat(s.join(currentName)) // again: a first build may have ended since
	return errors.Is(err, fs.ErrNotExist)
}

// Resolve turns what a person writes into an id: a whole id, a prefix of at least 8 digits that
// only one snapshot has, "current", or "previous" (see Previous).
func (s *Store) Resolve(ref string) (ID, error) {
	switch ref {
	case "current":
		return s.Current()
	case "previous":
		return s.Previous()
	}
	none := func(why, hint string) error {
		return &problem{kind: ErrNoSnapshot, msg: "snapshot " + strconv.Quote(clip(ref)) + ": " + why, hint: hint}
	}
	if len(ref) < 8 || len(ref) > 64 || !isHex(ref) {
		return ID{}, none("not an id", "an id, 8 or more of its first digits, current or previous")
	}
	all, err := s.List()
	if err != nil {
		return ID{}, err
	}
	var found []ID
	for _, p := range all {
		if strings.HasPrefix(p.ID.String(), ref) {
			found = append(found, p.ID)
		}
	}
	switch len(found) {
	case 0:
		return ID{}, none("there is none", "larder ls lists the snapshots")
	case 1:
		return found[0], nil
	default:
		return ID{}, none(fmt.Sprintf("%d snapshots begin with it", len(found)), "write more of its digits")
	}
}

// haveImage says whether a snapshot is there; ErrNoSnapshot means that it is not.
func (s *Store) haveImage(id ID) error {
	_, err := os.Lstat(s.ImagePath(id))
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return &problem{kind: ErrNoSnapshot, msg: "snapshot " + id.Short() + " is gone", err: fs.ErrNotExist,
			hint: "larder ls lists the snapshots"}
	case errors.Is(err, unix.ENOTDIR):
		return &problem{kind: ErrDamaged, msg: "look at snapshot " + id.Short(), err: errno(err), hint: "larder verify says what else is wrong with the store"}
	}
	return &problem{kind: ErrHost, msg: "look at snapshot " + id.Short(), err: errno(err), hint: "larder verify says what else is wrong with the store"}
}

// readSmall reads a file of the store that must be a plain one and not longer than limit.
func readSmall(path string, limit int64) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() || fi.Size() > limit {
		return nil, fmt.Errorf("read %q: not a plain file of at most %d bytes", path, limit)
	}
	b, err := io.ReadAll(f)
	if err == nil && int64(len(b)) != fi.Size() {
		err = fmt.Errorf("read %q: %d of %d bytes: %w", path, len(b), fi.Size(), io.ErrUnexpectedEOF)
	}
	return b, err
}

// CheckPublished says whether a snapshot's published.json is what Publish wrote.
func (s *Store) CheckPublished(id ID) error {
	_, err := s.published(id)
	return err
}
