package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"

	"larder/overlay"
)

// A file has 8 KiB on average, as file systems expect it of small files.
const bytesPerFile = 8 << 10

// slack is what a file system has more than a command may use: one that is nearly full refuses a
// write as a whole, and the limit is to be met nevertheless.
const slack = 8 << 20

// mountSpace mounts an empty file system of so many bytes at spaceDir: in memory, or ext4 in a
// file of the scratch directory that has no name, through a loop device that ends with its mount.
func (r *Runner) mountSpace(v variant, size int64) error {
	if !v.ext4 {
		return mountTmpfs(spaceDir, fmt.Sprintf("mode=755,size=%d,nr_inodes=%d", size+slack, (size+slack)/bytesPerFile))
	}
	size += size/16 + slack // its inodes, and what it keeps for itself
	file, err := r.unnamed(size)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := format(file); err != nil {
		return err
	}
	return overlay.Loop(int(file.Fd()), false, func(device string) error {
		if err := unix.Mount(device, spaceDir, "ext4", unix.MS_NOSUID|unix.MS_NODEV, ""); err != nil {
			return fmt.Errorf("mount ext4 of the scratch directory: %w", err)
		}
		return nil
	})
}

// unnamed makes a file without a name, whose space is reserved: else a full disk would look like a fault of the command.
func (r *Runner) unnamed(size int64) (*os.File, error) {
	fd, err := unix.Openat(int(r.dir.Fd()), ".", unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, &os.PathError{Op: "make a file in", Path: r.dir.Name(), Err: err}
	}
	file := os.NewFile(uintptr(fd), r.dir.Name())
	err = unix.Fallocate(fd, 0, 0, size)
	if errors.Is(err, unix.EOPNOTSUPP) {
		err = file.Truncate(size)
	}
	if err != nil {
		file.Close()
		return nil, &os.PathError{Op: "reserve space in", Path: r.dir.Name(), Err: err}
	}
	return file, nil
}

// format makes an ext4 without a journal: it is never to be mounted again.
func format(file *os.File) error {
	cmd := exec.Command("mkfs.ext4", "-q", "-F", "-m", "0", "-i", fmt.Sprint(bytesPerFile), "-O", "^has_journal", "-E", "nodiscard,lazy_itable_init=1", "/proc/self/fd/3")
	cmd.ExtraFiles = []*os.File{file}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return &overlay.Problem{Kind: ErrUnsupported, Text: "mkfs.ext4 is not on PATH", Advice: "install e2fsprogs"}
	}
	if err != nil {
		return fmt.Errorf("mkfs.ext4: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// space is the file system that an open directory is on, and what was free at first.
type space struct {
	dir  *os.File
	free uint64
}

func newSpace(dir *os.File) (space, error) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(dir.Fd()), &st); err != nil {
		return space{}, &os.PathError{Op: "statfs", Path: dir.Name(), Err: err}
	}
	return space{dir, st.Bavail * uint64(st.Bsize)}, nil
}

// used says whether so many bytes, or all files, are in use.
func (s space) used(size int64) bool {
	var st unix.Statfs_t
	err := unix.Fstatfs(int(s.dir.Fd()), &st)
	return err == nil && (st.Bavail*uint64(st.Bsize)+uint64(size) <= s.free || st.Ffree == 0)
}
