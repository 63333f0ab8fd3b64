package overlay

import (
	"errors"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// fsContext is a file system being configured (fsopen(2)).
type fsContext struct {
	fd     int
	kind   string
	source string
}

func newContext(kind, source string) (*fsContext, error) {
	fd, err := retry(func() (int, error) { return unix.Fsopen(kind, unix.FSOPEN_CLOEXEC) })
	if err != nil {
		e := newError("fsopen", kind, "", "", err)
		if errors.Is(err, unix.ENODEV) {
			e.Kernel = "file system not in this kernel, and no module of that name"
		}
		return nil, e
	}
	c := &fsContext{fd: fd, kind: kind, source: source}
	if err := c.set("source", source); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *fsContext) close() { _ = unix.Close(c.fd) }

// set sets a parameter; the kernel caps its value at 255 bytes.
func (c *fsContext) set(key, value string) error {
	if err := unix.FsconfigSetString(c.fd, key, value); err != nil {
		return c.fail(key, value, err)
	}
	return nil
}

func (c *fsContext) setFlag(key string) error {
	if err := unix.FsconfigSetFlag(c.fd, key); err != nil {
		return c.fail(key, "", err)
	}
	return nil
}

// setAll sets parameters; those without a value are flags.
func (c *fsContext) setAll(options [][2]string) (err error) {
	for _, o := range options {
		if o[1] == "" {
			err = c.setFlag(o[0])
		} else {
			err = c.set(o[0], o[1])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// setFd sets a layer. name is only for the error.
func (c *fsContext) setFd(key, name string, fd int) error {
	if err := unix.FsconfigSetFd(c.fd, key, fd); err != nil {
		return c.fail(key, name, err)
	}
	return nil
}

// mount makes the superblock and a detached mount of it.
func (c *fsContext) mount(attrs int) (*os.File, error) {
	if err := unix.FsconfigCreate(c.fd); err != nil {
		return nil, c.fail("mount", "", err)
	}
	fd, err := unix.Fsmount(c.fd, unix.FSMOUNT_CLOEXEC, attrs)
	if err != nil {
		return nil, c.fail("fsmount", "", err)
	}
	return os.NewFile(uintptr(fd), c.kind+" "+c.source), nil
}

func (c *fsContext) fail(op, value string, err error) error {
	if op != "mount" && op != "fsmount" {
		return newError("mount "+c.kind+" "+c.source+": set "+op, value, "", c.log(), err)
	}
	if c.kind == "overlay" {
		return overlayError(op, c.source, c.log(), err)
	}
	return newError(op, c.kind+" "+c.source, "", c.log(), err)
}

// overlayError names the one thing that overlayfs refuses without a word to the caller (6.18: only
// the kernel's log has it) and that our plans can meet: the depth. Upper and work are on one mount,
// and apart.
func overlayError(op, source, kernel string, err error) error {
	e := newError(op, "overlay "+source, "", kernel, err)
	if e.Kernel == "" && errors.Is(err, unix.EINVAL) {
		e.kind, e.Kernel = ErrDepth, "too many stacked file systems?"
	}
	return e
}

// log reads what the kernel had to say: one message a read, each beginning with
// "e ", "w " or "i ". Errors are kept; without any, the warnings.
func (c *fsContext) log() string {
	var errs, warns []string
	buf := make([]byte, 1024)
	for {
		n, err := unix.Read(c.fd, buf)
		if err != nil || n <= 0 {
			break
		}
		line := strings.TrimSpace(string(buf[:n]))
		switch {
		case strings.HasPrefix(line, "e "):
			errs = append(errs, line[2:])
		case strings.HasPrefix(line, "w "):
			warns = append(warns, line[2:])
		}
	}
	if len(errs) == 0 {
		errs = warns
	}
	return strings.Join(errs, "; ")
}

// retry repeats a call that a signal interrupted: Go preempts threads by signal.
func retry(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != unix.EINTR {
			return n, err
		}
	}
}

// fdOf is the descriptor of a file that stays reachable in the caller. (File.Fd
// would also do, but says nothing about who keeps the file open.)
func fdOf(f *os.File) int { return int(f.Fd()) }
