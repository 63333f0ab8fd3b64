package trash

import (
	"context"
	"os"
)

// pruneDepth bounds the descriptors of a prune.
const pruneDepth = 100

// prune removes a directory without a rename: on a full btrfs there is no room for one, while an
// unlink has a reserve of its own. Deeper than depth it leaves what is there.
func prune(ctx context.Context, dir *os.File, name string, depth int) error {
	sub, err := openDir(dir, name)
	if err != nil {
		return err
	}
	defer sub.Close()
	_, _, err = sweep(ctx, sub, func(name string) error {
		err := unlink(int(sub.Fd()), name)
		if isFull(err) && depth > 0 {
			err = prune(ctx, sub, name, depth-1)
		}
		return err
	})
	if err != nil {
		return err
	}
	return unlink(int(dir.Fd()), name)
}
