package overlay

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Backing is how the kernel reads an image.
type Backing int

const (
	// AnyBacking asks for BackedByFile where it works, else BackedByLoop.
	AnyBacking Backing = iota
	// BackedByFile reads the file itself: no device, and its page cache stays
	// with the file. Not in every kernel, refused on some file systems, and a
	// stacking level of its own on some kernels.
	BackedByFile
	// BackedByLoop reads through a read-only loop device that frees itself
	// with the last mount. Its page cache goes with it, so it is right for
	// mounts that are kept.
	BackedByLoop
)

func (images) OpenImage(path string, want Backing) (image Image, err error) {
	image.Path = path
	defer func() {
		if err != nil {
			err = fmt.Errorf("open image %s: %w", path, err)
		}
	}()
	fd, err := openImageFile(path)
	if err != nil {
		return image, err
	}
	defer unix.Close(fd)
	defer func() { tooOld(err, fd) }()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return image, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return image, fmt.Errorf("%w: not a regular file", ErrDamaged)
	}
	if err := checkLength(fd, st.Size); err != nil {
		return image, err
	}
	if want == AnyBacking && warningsPanic() {
		// The first cold file-backed mount raises a warning inside ext4 on
		// some kernels (6.18 seen): harmless, unless warnings are fatal.
		want = BackedByLoop
	}
	if want != BackedByLoop {
		// Named by descriptor: a parameter holds 255 bytes, a path can be
		// longer, and this is surely the file that was checked.
		image.Backing = BackedByFile
		image.File, err = mountEROFS("/proc/self/fd/" + strconv.Itoa(fd))
		if err == nil || want == BackedByFile || !backingRefused(err) {
			return image, err
		}
	}
	image.Backing = BackedByLoop
	image.File, err = mountLoop(fd)
	return image, err
}

// openImageFile never waits for a pipe. For gc, which holds a lease on an image for the moment in
// which it looks whether anybody needs it, it does.
func openImageFile(path string) (int, error) {
	const flags = unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NOFOLLOW
	return retry(func() (int, error) {
		fd, err := unix.Open(path, flags|unix.O_NONBLOCK, 0)
		if err == unix.EAGAIN {
			fd, err = unix.Open(path, flags, 0)
		}
		return fd, err
	})
}

// checkLength compares an image's size with what its superblock says, the one thing about it that
// costs nothing to check: the kernel mounts a truncated image, and only misses what is behind its
// end. Offsets are those of struct erofs_super_block, in the kernel's fs/erofs/erofs_fs.h.
func checkLength(fd int, size int64) error {
	const at, magic, blockBits, blocks = 1024, 0, 12, 36
	var sb [40]byte
	if n, err := unix.Pread(fd, sb[:], at); err != nil {
		return err
	} else if n < len(sb) {
		return fmt.Errorf("%d bytes are no image: %w", size, ErrDamaged)
	}
	if binary.LittleEndian.Uint32(sb[magic:]) != unix.EROFS_SUPER_MAGIC_V1 {
		return nil // the kernel says so better
	}
	if want := int64(binary.LittleEndian.Uint32(sb[blocks:])) << (sb[blockBits] & 31); size < want {
		return fmt.Errorf("%w: it has %d bytes of %d", ErrDamaged, size, want)
	}
	return nil
}

// tooOld says that the kernel is, where it has but the word for a bad image: before 5.15 an EROFS has
// no files of chunks, which is how an image says that it has no bytes of a file. What an EROFS has,
// kernels tell from 5.17 on; between the two a bad image is taken for one of a newer kernel.
func tooOld(err error, fd int) {
	const at, magic, incompatible, chunks = 1024, 0, 80, 4
	var refused *Error
	if !errors.As(err, &refused) || refused.Err != unix.EINVAL {
		return
	}
	var sb [84]byte
	if n, err := unix.Pread(fd, sb[:], at); err != nil || n < len(sb) ||
		binary.LittleEndian.Uint32(sb[magic:]) != unix.EROFS_SUPER_MAGIC_V1 || binary.LittleEndian.Uint32(sb[incompatible:])&chunks == 0 {
		return
	}
	if _, err := os.Stat("/sys/fs/erofs/features/chunked_file"); errors.Is(err, fs.ErrNotExist) {
		refused.kind, refused.Kernel = ErrUnsupported, "EROFS files of chunks need kernel 5.15"
	}
}

// backingRefused tells a kernel or file system that wants a block device from
// an image that is bad: EROFS built without file-backed mounts answers ENOTBLK,
// one whose file system has no read-folio path EINVAL, other kernels EOPNOTSUPP.
// A bad image also answers EINVAL; the loop device then says so again.
func backingRefused(err error) bool {
	return errors.Is(err, unix.ENOTBLK) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EOPNOTSUPP)
}

func warningsPanic() bool {
	b, err := os.ReadFile("/proc/sys/kernel/panic_on_warn")
	return err == nil && !bytes.Equal(bytes.TrimSpace(b), []byte("0"))
}

func mountEROFS(source string) (*os.File, error) {
	c, err := newContext("erofs", source)
	if err != nil {
		return nil, err
	}
	defer c.close()
	// Without ro a read-only loop device answers EACCES.
	if err := c.setFlag("ro"); err != nil {
		return nil, err
	}
	return c.mount(unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV)
}

// mountLoop mounts the open file through a loop device.
func mountLoop(image int) (m *os.File, err error) {
	err = Loop(image, true, func(device string) error {
		m, err = mountEROFS(device)
		return err
	})
	return m, err
}

// Loop sets up a loop device on an open file and calls use with its name. AUTOCLEAR frees the device
// with its last user: nothing to undo, whatever happens.
func Loop(file int, readOnly bool, use func(device string) error) error {
	control, err := retry(func() (int, error) { return unix.Open("/dev/loop-control", unix.O_RDWR|unix.O_CLOEXEC, 0) })
	if err != nil {
		return loopMissing("/dev/loop-control", err)
	}
	defer unix.Close(control)
	config := unix.LoopConfig{Fd: uint32(file)}
	config.Info.Flags = unix.LO_FLAGS_AUTOCLEAR
	if readOnly {
		config.Info.Flags |= unix.LO_FLAGS_READ_ONLY
	}
	// Another process can take the free device between the two calls.
	for try := 0; ; try++ {
		n, err := retry(func() (int, error) { return unix.IoctlRetInt(control, unix.LOOP_CTL_GET_FREE) })
		if err != nil {
			return newError("find a free loop device", "", "", "", err)
		}
		err = useLoop("/dev/loop"+strconv.Itoa(n), &config, use)
		if errors.Is(err, unix.EBUSY) && try < 64 {
			continue
		}
		return err
	}
}

func useLoop(name string, config *unix.LoopConfig, use func(device string) error) error {
	access := unix.O_RDWR
	if config.Info.Flags&unix.LO_FLAGS_READ_ONLY != 0 {
		access = unix.O_RDONLY
	}
	dev, err := retry(func() (int, error) { return unix.Open(name, access|unix.O_CLOEXEC, 0) })
	if err != nil {
		return loopMissing(name, err)
	}
	defer unix.Close(dev)
	if _, err := retry(func() (int, error) { return 0, unix.IoctlLoopConfigure(dev, config) }); err != nil {
		return newError("configure loop device", name, "", "", err)
	}
	return use(name)
}

func loopMissing(name string, err error) error {
	e := newError("open loop device", name, "", "", err)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENXIO) {
		e.kind = ErrUnsupported
	}
	return e
}
