package snapshot

import "errors"

// What callers branch on; the command line turns them into exit codes.
var (
	// ErrNoStore: nothing at the path, an empty directory, or one without the marker.
	ErrNoStore = errors.New("no store")
	// ErrFormat: a marker this program does not understand.
	ErrFormat = errors.New("unknown store format")
	// ErrStore: what the caller named must not be used as a store as it is: wrong owner or
	// mode, a symbolic link, no directory, more than one file system.
	ErrStore = errors.New("unusable store")
	// ErrHost: the host failed a call on the store: a read-only file system, a read error. The
	// errno is wrapped too; see HostFault.
	ErrHost = errors.New("the host failed")
	// ErrBusy: another build or gc holds the writer lock.
	ErrBusy = errors.New("store is busy")
	// ErrDamaged: content is not what its name says.
	ErrDamaged = errors.New("damaged")
	// ErrNoSnapshot: no snapshot of that name, or none published yet.
	ErrNoSnapshot = errors.New("no such snapshot")
	// ErrHeld: the current snapshot is held, see Hold.
	ErrHeld = errors.New("current is held")
	// ErrSpace: no space, no inodes, or a limit on file size or quota.
	ErrSpace = errors.New("out of space")
)

// problem is an error for people: one line, a hint, and the sentinel it belongs to.
type problem struct {
	kind error
	msg  string
	hint string
	err  error
}

func (p *problem) Error() string {
	if p.err != nil {
		return p.msg + ": " + p.err.Error()
	}
	return p.msg
}

// Hint is what to do next, for a line of its own.
func (p *problem) Hint() string { return p.hint }

func (p *problem) Unwrap() []error {
	if p.err != nil {
		return []error{p.kind, p.err}
	}
	return []error{p.kind}
}
