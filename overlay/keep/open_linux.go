package keep

import (
	"os"

	"golang.org/x/sys/unix"

	"larder/overlay"
)

// How says where a tree came from.
type How string

const (
	FromTree  How = "kept tree"  // a clone of the kept tree: nothing was made
	FromImage How = "kept image" // a new tree over the kept image
	FromFile  How = "file"       // a new tree over the image's file
	FromLoop  How = "loop"       // a new tree over a new loop device
)

// Open returns a snapshot's tree for an owner, detached: a clone of a kept one,
// else a new one. On a kernel where file-backed images count as a stacking
// level a view over the tree fails with ErrDepth; backing BackedByLoop avoids
// that.
func (d Dir) Open(s Snapshot, owner overlay.Owner, backing overlay.Backing) (*os.File, How, error) {
	if s.Tree != "" {
		tree, err := cloneOf(s.Tree, unix.OVERLAYFS_SUPER_MAGIC)
		return tree, FromTree, err
	}
	if d.keeps(s) {
		if tree, err := d.clone(s.ID, treeName(owner), unix.OVERLAYFS_SUPER_MAGIC); err == nil {
			return tree, FromTree, nil
		}
		if image, err := d.cloneImage(s); err == nil {
			defer image.Close()
			if tree, err := overlay.Chosen().OpenTree(image, s.Objects, owner); err == nil {
				return tree, FromImage, nil
			}
		}
	}
	image, err := overlay.Chosen().OpenImage(s.Image, backing)
	if err != nil {
		return nil, "", err
	}
	defer image.Close()
	how := FromFile
	if image.Backing == overlay.BackedByLoop {
		how = FromLoop
	}
	tree, err := overlay.Chosen().OpenTree(image, s.Objects, owner)
	return tree, how, err
}
