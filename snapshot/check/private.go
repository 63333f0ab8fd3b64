package check

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"larder/snapshot"
)

// checkPrivate compares the private images of a snapshot with what they were sealed as. Those that nobody
// finds any more, or that are being written, are gc's.
func (c *checker) checkPrivate(ctx context.Context, id snapshot.ID) error {
	dir := c.store.PrivateDir(id)
	if err := c.checkEntry(KindPrivate, id, snapshot.Entry{Path: dir, Mode: fs.ModeDir | 0o700}); absent(err) {
		return nil
	} else if err != nil {
		return err
	}
	all, err := c.store.Privates(id)
	if err != nil {
		return err
	}
	for _, p := range all {
		if _, err := snapshot.ParseDigest(p.Name); err != nil {
			if !p.Gone() {
				c.harmless(KindPrivate, id, p.Dir, "%q is none", p.Name)
			}
			continue
		}
		err := c.comparePrivate(ctx, p)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if ofHost(err) {
			return err
		}
		if _, gone := os.Lstat(p.Dir); err != nil && gone == nil {
			c.find(KindPrivate, id, p.Dir, Repair, "%.12s: %v", p.Name, cause(err))
		}
	}
	return nil
}

// comparePrivate says what is wrong with a private image.
func (c *checker) comparePrivate(ctx context.Context, p snapshot.Private) error {
	if p.Unreadable != nil {
		return p.Unreadable
	}
	sum, ino, err := snapshot.SumFile(ctx, p.ImagePath(), nil)
	switch {
	case err != nil:
		return err
	case sum != p.Image:
		return fmt.Errorf("its %d bytes have digest %s, want %s", ino.Size, sum.Short(), p.Image.Short())
	case ino.Uid != c.owner || ino.Mode&^syscall.S_IFMT != 0o444:
		return fmt.Errorf("%s is owned by user %d with mode %04o, want %d and 0444", filepath.Base(p.ImagePath()), ino.Uid, ino.Mode&^syscall.S_IFMT, c.owner)
	}
	return nil
}
