package instance

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"larder/overlay"
)

// Limit bounds what the instance may take of its file system, in bytes: its
// uppers and work directories together, so it comes before Add. Where the file
// system has no project quotas in force the error wraps overlay.ErrUnsupported,
// and nothing was changed.
//
// The bound is a project of the instance's own, which what is made in it
// inherits. A process with root's rights in the host's user namespace can give
// its files another project, and so escape it.
func (i *Instance) Limit(bytes int64) error {
	if err := i.limit(uint64(bytes)); err != nil {
		return fmt.Errorf("limit instance %s: %w", i.dir, err)
	}
	return nil
}

// CanLimit says whether Limit has something to work with in dir.
func CanLimit(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return enforced(f)
}

// ownProject is a bit of the project ids that are ours, to stay away from the
// small numbers people give.
const ownProject = 1 << 31

func (i *Instance) limit(bytes uint64) error {
	if err := enforced(i.lock); err != nil {
		return err
	}
	var a attributes
	if err := a.call(i.lock, getAttributes); err != nil {
		return err
	}
	id := a.project
	if id&ownProject == 0 { // else it was limited before
		if a.flags&inheritProject != 0 {
			return &overlay.Problem{Kind: overlay.ErrUnsupported, Text: fmt.Sprintf("its directory is in project %d, and what is in a project cannot have one of its own", id),
				Advice: "limit that project, or take the directory out of it"}
		}
		var err error
		if id, err = freeProject(i.lock); err != nil {
			return err
		}
	}
	q := quota{blockLimit: (bytes + 1023) / 1024, valid: limitBlocks}
	if err := q.call(i.lock, setQuota, id); err != nil {
		return err
	}
	a.project, a.flags = id, a.flags|inheritProject
	return a.call(i.lock, setAttributes)
}

// freeProject finds a project that nothing is in. It starts from the inode,
// which no other instance of the file system has meanwhile.
func freeProject(dir *os.File) (uint32, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(dir.Fd()), &st); err != nil {
		return 0, &os.PathError{Op: "stat", Path: dir.Name(), Err: err}
	}
	for n := range uint64(100) {
		id := ownProject | uint32(st.Ino+n)
		var q quota
		err := q.call(dir, getQuota, id)
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return 0, err
		}
		if err != nil || q.space == 0 && q.inodes == 0 {
			return id, nil
		}
	}
	return 0, errors.New("no free project id")
}

// CheckFree refuses an instance at dir when its file system has less than floor
// bytes free: what containers write must not take the host's last room.
func CheckFree(dir string, floor int64) error {
	parent := filepath.Dir(dir)
	var st unix.Statfs_t
	if err := unix.Statfs(parent, &st); err != nil {
		return &os.PathError{Op: "statfs", Path: parent, Err: err}
	}
	if free := st.Bavail * uint64(st.Bsize); free < uint64(floor) {
		return &overlay.Problem{Kind: overlay.ErrRefused,
			Text:   fmt.Sprintf("%s has %d MB free, less than min_free, %d MB", parent, free/1e6, floor/1e6),
			Advice: "larder gc frees what no snapshot and no container needs; min_free is in the configuration"}
	}
	return nil
}
