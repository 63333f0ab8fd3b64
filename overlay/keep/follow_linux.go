package keep

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"larder/overlay"
	"larder/snapshot/failpoint"
)

// stayName is a file that says: asked for by its own name, not for being current.
const stayName = "stay"

// Follow has what is current kept mounted, for the owners that any snapshot over the pool at
// objects is kept for, and lets go of the others, but of those that are in use and of those that
// stay (Snapshot.Stays). Where none is kept nothing is done, nor where the caller may not look.
// What is current is asked again at the end: of two who changed it at once the last decides, and
// one of them sees that.
func (d Dir) Follow(ctx context.Context, objects string, current func() (Snapshot, error), used func(id string) bool) error {
	owners, err := d.keptFor(objects)
	if errors.Is(err, fs.ErrPermission) || err == nil && owners == nil {
		return nil
	}
	if err != nil {
		return err
	}
	for s, err := current(); ; {
		if err != nil {
			return err
		}
		if err := d.Mount(ctx, s, owners...); err != nil {
			return err
		}
		failpoint.Here("follow: current mounted")
		err := d.unmountThose(ctx, objects, func(id string) bool { return id != s.ID && !d.stays(id) && !used(id) })
		if err != nil {
			return err
		}
		failpoint.Here("follow: others let go")
		now, err := current()
		if err != nil || now.ID == s.ID {
			return err
		}
		s = now
	}
}

// Again mounts anew what is kept under the snapshot's id, for the same owners: its trees may have
// looked up a file that was replaced, and their clones would go on with the old one.
func (d Dir) Again(ctx context.Context, s Snapshot) error {
	owners, err := d.owners(s.ID)
	if err != nil {
		return err
	}
	s.Stays = d.stays(s.ID)
	if err := d.Unmount(ctx, s.ID, s.Objects); err != nil {
		return err
	}
	return d.Mount(ctx, s, owners...)
}

// keptFor returns the owners that any snapshot over the pool is kept for, nil when none is kept.
// What was left half made, and names no pool, is not counted: it may be another store's.
func (d Dir) keptFor(objects string) ([]overlay.Owner, error) {
	ids, err := d.List(objects)
	if err != nil {
		return nil, err
	}
	var all []overlay.Owner
	for _, id := range ids {
		if pool, _ := d.recorded(id); pool == "" {
			continue
		}
		more, err := d.owners(id)
		if err != nil {
			return nil, err
		}
		all = append(all, append(more, overlay.Owner{})...) // root always has a tree
	}
	return all, nil
}

// owners are those whose trees a kept snapshot has, as the names of the trees say.
func (d Dir) owners(id string) ([]overlay.Owner, error) {
	entries, err := os.ReadDir(d.snapshot(id))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list kept trees: %w", err)
	}
	var all []overlay.Owner
	for _, e := range entries {
		var o overlay.Owner
		if n, _ := fmt.Sscanf(e.Name(), "tree-%d-%d", &o.UID, &o.GID); n == 2 {
			all = append(all, o)
		}
	}
	return all, nil
}

// stays says whether a kept snapshot was asked for by its own name.
func (d Dir) stays(id string) bool {
	_, err := os.Lstat(filepath.Join(d.snapshot(id), stayName))
	return err == nil
}

// stay notes it.
func (d Dir) stay(id string) error {
	f, err := os.OpenFile(filepath.Join(d.snapshot(id), stayName), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("keep snapshot: %w", err)
	}
	return f.Close()
}
