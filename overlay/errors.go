package overlay

import (
	"errors"
	"strings"
	"syscall"
)

var (
	// ErrUnsupported means that this kernel or file system lacks something
	// the mount needs.
	ErrUnsupported = errors.New("not supported by this host")
	// ErrBusy means that somebody else holds what was asked for.
	ErrBusy = errors.New("in use")
	// ErrRefused means that a plan or a mount point is one we do not accept.
	ErrRefused = errors.New("refused")
	// ErrDepth means that a lower is itself stacked so deep that the kernel
	// does not take it, as far as we can tell. A caller can leave it out and
	// try again.
	ErrDepth = errors.New("too many stacked file systems")
	// ErrDamaged means that an image is no file, or lacks a part of itself.
	ErrDamaged = errors.New("damaged")
	// ErrReadOnly means that the kernel made a writable mount read-only.
	ErrReadOnly = errors.New("mount came out read-only")
)

// Error is a mount operation that the kernel refused.
type Error struct {
	Op     string // the call or parameter: "fsopen", "lowerdir+", "move_mount"
	Source string // what was to be mounted, or ""
	Target string // where, or the value of the parameter, or ""
	Kernel string // what the kernel wrote into the file-system context, or ""
	Err    error  // the errno
	kind   error  // one of the sentinels above, or nil
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Source != "" {
		b.WriteString(" " + e.Source)
	}
	if e.Target != "" {
		b.WriteString(" on " + e.Target)
	}
	if e.Kernel != "" {
		b.WriteString(": " + e.Kernel)
	}
	b.WriteString(": " + e.Err.Error())
	return b.String()
}

// Unwrap gives the errno and, where one fits, a sentinel of this package.
func (e *Error) Unwrap() []error {
	if e.kind == nil {
		return []error{e.Err}
	}
	return []error{e.kind, e.Err}
}

// newError classifies err by errno and by the kernel's words.
func newError(op, source, target, kernel string, err error) *Error {
	e := &Error{Op: op, Source: source, Target: target, Kernel: kernel, Err: err}
	switch {
	case errors.Is(err, syscall.ENOSYS), errors.Is(err, syscall.ENODEV), errors.Is(err, syscall.EOPNOTSUPP), errors.Is(err, syscall.ENOTBLK):
		e.kind = ErrUnsupported
	case errors.Is(err, syscall.EBUSY):
		e.kind = ErrBusy
	}
	return e
}

// Problem is an error for people: one line, what to do about it, and the sentinel it is.
type Problem struct {
	Kind         error
	Text, Advice string
}

func (p *Problem) Error() string { return p.Text }
func (p *Problem) Hint() string  { return p.Advice }
func (p *Problem) Unwrap() error { return p.Kind }
