package overlay

import "os"

// ordinary is the construction in a scratch namespace with the pool as an ordinary lower, in kernels
// from 5.15. The pool's directories 00 to ff are then at the tree's root, where no view looks, and
// Show hides them.
type ordinary struct{ byName }

func (ordinary) Name() string { return "ordinary" }

func (c ordinary) OpenTree(image Image, objects string, owner Owner) (*os.File, error) {
	return c.openTree(image, objects, owner, ":")
}
