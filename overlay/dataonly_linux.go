package overlay

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// dataOnly is the construction in a scratch namespace with the pool as a data-only lower, in kernels
// from 6.5.
type dataOnly struct{ byName }

func (dataOnly) Name() string { return "data-only" }

func (c dataOnly) OpenTree(image Image, objects string, owner Owner) (*os.File, error) {
	tree, err := c.openTree(image, objects, owner, "::")
	var refused *Error
	if errors.As(err, &refused) && (refused.Err == unix.EINVAL || refused.Err == unix.ENOENT) {
		refused.kind = ErrUnsupported // before 6.5 an empty name stands between the colons
	}
	return tree, err
}
