package gc

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"larder/snapshot"
)

// leasable is an open image.
type leasable struct {
	*os.File
	size int64
}

// openImage never waits, neither for a pipe nor for somebody else's lease.
func openImage(path string) (*leasable, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	fi, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	return &leasable{f, fi.Size()}, nil
}

// openImages opens a snapshot's image and its private ones.
func (r *run) openImages(id snapshot.ID) (images []*leasable, err error) {
	own, err := openImage(r.store.ImagePath(id))
	if err != nil {
		return nil, err
	}
	images = []*leasable{own}
	private, err := r.store.Privates(id)
	if err != nil {
		return images, err
	}
	for _, p := range private {
		image, err := openImage(p.ImagePath())
		if errors.Is(err, fs.ErrNotExist) {
			continue // none was written, and so none is mounted
		}
		if err != nil {
			return images, err
		}
		images = append(images, image)
	}
	return images, nil
}

func closeImages(images []*leasable) {
	for _, image := range images {
		image.Close()
	}
}

// needed asks the kernel for a write lease on each of a snapshot's images (F_SETLEASE of fcntl(2)), and says
// why there is none. While that of the first is granted do is called, which has to be short: whoever opens
// the image then waits for its end, for /proc/sys/fs/lease-break-time seconds at most, and this
// process gets a SIGIO, which Go's runtime drops.
func (r *run) needed(images []*leasable, id snapshot.ID, do func() error) (why string, err error) {
	for i := len(images) - 1; i >= 0 && why == "" && err == nil; i-- {
		then := do
		if i > 0 {
			then = func() error { return nil }
		}
		why, err = r.unneeded(images[i], id, then)
	}
	return why, err
}

// unneeded calls do while the lease on an image is granted.
func (r *run) unneeded(image *leasable, id snapshot.ID, do func() error) (why string, err error) {
	_, err = unix.FcntlInt(image.Fd(), unix.F_SETLEASE, unix.F_WRLCK)
	if errors.Is(err, unix.EAGAIN) {
		return r.inUse(image, id), nil
	}
	if err != nil {
		return noLease(image, err), nil
	}
	err = do()
	if _, uerr := unix.FcntlInt(image.Fd(), unix.F_SETLEASE, unix.F_UNLCK); uerr != nil {
		// Who waited too long for it has ended it already: EAGAIN. That is no fault.
		if !errors.Is(uerr, unix.EAGAIN) {
			err = errors.Join(err, fmt.Errorf("give the lease on the image back: %w", uerr))
		}
	}
	return "", err
}

// inUse says who needs an image.
func (r *run) inUse(image *leasable, id snapshot.ID) string {
	var users []string
	if r.opts.Users != nil {
		users = r.opts.Users(id, image.File)
	}
	const why = "in use: still mounted by somebody, or its image is open"
	if len(users) == 0 {
		return why + "; no process of this host shows which"
	}
	return why + ": " + strings.Join(users, ", ")
}

// noLease says why there can be none, and so no proof.
func noLease(image *leasable, err error) string {
	why := fmt.Sprintf("nothing proves that nobody uses it: F_SETLEASE: %v", err)
	if b, rerr := os.ReadFile("/proc/sys/fs/leases-enable"); rerr == nil && strings.TrimSpace(string(b)) == "0" {
		return why + " (leases are switched off: sysctl fs.leases-enable=1)"
	}
	if errors.Is(err, unix.EINVAL) {
		return why + " (its file system grants no leases: ext4, XFS, btrfs and tmpfs do)"
	}
	return why
}
