package snapshot

import (
	"errors"

	"golang.org/x/sys/unix"
)

// HostFault returns the errno with which a call to this host failed, whatever was made of the
// error since, or 0 when there is none in it. Such an error says nothing about what was being
// read or written at the time: no artifact is to blame for a disk that is full.
//
// An errno that came by the network is the network's (a refused connection has one), unless it
// is a limit of this host: a socket too needs a free descriptor.
func HostFault(err error) unix.Errno { return hostFault(err, false) }

func hostFault(err error, network bool) unix.Errno {
	if e, ok := err.(unix.Errno); ok {
		if network && !isSpace(e) && !isLimit(e) {
			return 0
		}
		return e
	}
	// The interface is net.Error's; package net itself is not for the hook.
	_, ok := err.(interface {
		Timeout() bool
		Temporary() bool
	})
	network = network || ok
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		return hostFault(e.Unwrap(), network)
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			if errno := hostFault(inner, network); errno != 0 {
				return errno
			}
		}
	}
	return 0
}

// isSpace: every way the kernel says that there is no room.
func isSpace(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EFBIG)
}

// isLimit: no more open files, for the process or the host.
func isLimit(err error) bool { return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) }

// ignoringEINTR repeats a call until no signal interrupts it. Package os does so by itself.
func ignoringEINTR(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}
