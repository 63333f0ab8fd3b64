package overlay

import (
	"errors"
	"os"
	"path/filepath"
)

// ordinary is the construction in a scratch namespace with the pool as an ordinary lower, in kernels
// from 5.15. The pool's directories 00 to ff are then at the tree's root, where no view looks, and
// Show hides them.
type ordinary struct {
	byName
	chowns bool // as where EROFS has no idmapped mounts, for a test
}

func (ordinary) Name() string { return "ordinary" }

func (c ordinary) OpenTree(image Image, objects string, owner Owner) (*os.File, error) {
	if owner == (Owner{}) || !c.chowns {
		tree, err := c.openTree(image, objects, owner, ":")
		if owner == (Owner{}) || !errors.Is(err, errNoIdmap) {
			return tree, err
		}
	}
	return c.openChowned(image, objects, owner)
}

// openChowned makes a tree for another owner of a copy of the image. The image itself is a lower
// below it, which adds nothing but that it is in use as long as the tree is: whoever collects
// snapshots goes by that.
func (ordinary) openChowned(image Image, objects string, owner Owner) (tree *os.File, err error) {
	parent, err := CloneDir(filepath.Dir(objects))
	if err != nil {
		return nil, err
	}
	defer parent.Close()
	chowned, err := mountChowned(image.Path, owner)
	if err != nil {
		return nil, err
	}
	defer chowned.Close()
	err = inScratch(func(s *scratch) error {
		if err := s.lend(image.File); err != nil {
			return err
		}
		if err := s.place(chowned); err != nil {
			return err
		}
		tree, err = s.tree(name(fdOf(chowned))+":"+name(fdOf(image.File))+":", parent, objects)
		return err
	})
	return tree, err
}
