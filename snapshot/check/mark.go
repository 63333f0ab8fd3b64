package check

import (
	"path/filepath"
	"slices"

	"larder/snapshot"
)

// known says whether a name belongs into a snapshot's directory.
func (c *checker) known(id snapshot.ID, name string) bool {
	is := func(e snapshot.Entry) bool { return filepath.Base(e.Path) == name }
	return slices.ContainsFunc(c.store.SnapshotLayout(id), is) || name == filepath.Base(c.store.BadPath(id)) || name == filepath.Base(c.store.PrivateDir(id))
}

// checkMark names the mark of a snapshot that is not attached. What was revoked is whole.
func (c *checker) checkMark(id snapshot.ID) {
	switch bad := c.store.Bad(id); {
	case bad == nil:
	case bad.Damage != "":
		c.find(KindSnapshot, id, c.store.BadPath(id), Repair, "it is marked bad: %s", bad)
	default:
		c.find(KindSnapshot, id, c.store.BadPath(id), "larder gc, once nothing uses it", "it is marked bad: %s", bad).Harmless = true
	}
}
