package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"

	"larder/builder"
	"larder/builder/pypi/index"
	"larder/builder/pypi/layer"
	"larder/builder/pypi/wheel"
	"larder/cmd/internal/config"
	"larder/overlay"
	"larder/popularity"
	"larder/snapshot"
	"larder/snapshot/gc"
	"larder/snapshot/pypi"
	"larder/snapshot/pypi/lock"
)

// Every error that a caller can tell apart has the documented code, wrapped or not.
func TestExitCode(t *testing.T) {
	for _, c := range []struct {
		err  error
		code int
	}{
		{nil, 0},
		{errors.New("nobody foresaw this"), 1}, {snapshot.ErrHost, 1},
		{usagef("x"), 2}, {config.ErrConfig, 2}, {index.ErrConfig, 2}, {popularity.ErrConfig, 2}, {pypi.ErrTag, 2}, {builder.ErrBudget, 2}, {gc.ErrOptions, 2},
		{snapshot.ErrNoSnapshot, 2}, {snapshot.ErrStore, 2},
		{snapshot.ErrDamaged, 3},
		{builder.ErrRefused, 4}, {lock.ErrRefused, 4}, {popularity.ErrRefused, 4}, {wheel.ErrRefused, 4},
		{snapshot.ErrBusy, 5}, {overlay.ErrBusy, 5},
		{snapshot.ErrSpace, 6}, {syscall.ENOSPC, 6}, {syscall.EDQUOT, 6}, {syscall.EFBIG, 6}, {syscall.EMFILE, 6}, {syscall.ENFILE, 6},
		{snapshot.ErrNoStore, 7}, {snapshot.ErrFormat, 7},
		{statusError(exitSkips), 8},
		{overlay.ErrUnsupported, 9}, {layer.ErrInterpreter, 9},
		{builder.ErrUnreachable, 10}, {popularity.ErrUnreachable, 10}, {index.ErrUnreachable, 10},
		{errInterrupted, 130}, {context.Canceled, 130},
		// What the host lacks outranks what became of an input; silence, what it means for a lock.
		{fmt.Errorf("%w: %w", builder.ErrRefused, syscall.ENOSPC), 6},
		{fmt.Errorf("%w: %w", builder.ErrRefused, builder.ErrUnreachable), 10},
		{fmt.Errorf("%w: %w", builder.ErrRefused, index.ErrHash), 4},
		// A refused connection is the network's, though it is an errno too; a socket that this
		// host has no descriptor for is not.
		{fmt.Errorf("%w: %w", index.ErrUnreachable, dial(syscall.ECONNREFUSED)), 10},
		{fmt.Errorf("%w: %w: %w", builder.ErrRefused, index.ErrUnreachable, dial(syscall.EACCES)), 10},
		{fmt.Errorf("%w: %w", index.ErrUnreachable, dial(syscall.EMFILE)), 6},
		// A name that the caller gave and cannot have is his mistake.
		{fmt.Errorf("%w: %w", config.ErrConfig, syscall.EACCES), 2},
		{fmt.Errorf("%w: %w", snapshot.ErrDamaged, syscall.ENOENT), 3},
		{&overlay.Error{Op: "fsopen", Err: syscall.ENODEV}, 1},
	} {
		err := c.err
		if got := exitCode(err); got != c.code {
			t.Errorf("%v: %d, want %d", err, got, c.code)
		}
		if err == nil {
			continue
		}
		if got := exitCode(fmt.Errorf("read the thing: %w", err)); got != c.code {
			t.Errorf("wrapped %v: %d, want %d", err, got, c.code)
		}
	}
}

func dial(errno syscall.Errno) error {
	return &url.Error{Op: "Get", URL: "http://127.0.0.1/", Err: &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", errno)}}
}

// An errno of the host is never a mistake of the command line, an input refused or a damage,
// whatever the error says besides.
func TestExitCodeOfAHostFault(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EIO, syscall.EINTR, syscall.EROFS, syscall.ESTALE, syscall.ENOMEM, syscall.EAGAIN} {
		for _, kind := range []error{config.ErrConfig, snapshot.ErrStore, snapshot.ErrNoSnapshot, snapshot.ErrFormat, snapshot.ErrDamaged,
			layer.ErrInterpreter, builder.ErrRefused, lock.ErrRefused, wheel.ErrRefused, index.ErrHash} {
			if got := exitCode(fmt.Errorf("%w: %w", kind, &fs.PathError{Op: "open", Path: "x", Err: errno})); got != exitInternal {
				t.Errorf("%v: %v: exit %d, want 1", kind, errno, got)
			}
		}
	}
	for _, errno := range []syscall.Errno{syscall.EACCES, syscall.EPERM, syscall.ENOTDIR, syscall.ENOENT} {
		for _, kind := range []error{builder.ErrRefused, wheel.ErrRefused, index.ErrHash} {
			if got := exitCode(fmt.Errorf("%w: %w", kind, &fs.PathError{Op: "open", Path: "x", Err: errno})); got != exitInternal {
				t.Errorf("%v: %v: exit %d, want 1", kind, errno, got)
			}
		}
	}
}

// One message is one line, whatever it quotes; JSON has the same text.
func TestReportIsOneLine(t *testing.T) {
	var out, errs bytes.Buffer
	code := report(&out, &errs, true, usagef("no file %s", "a\nb\x1b[2J\xff\u202e").hint("try\n%s", "c"))
	if want := "larder: no file a\\x0ab\\x1b[2J\\xff\\u202e\nhint: try\\x0ac\n"; code != 2 || errs.String() != want {
		t.Errorf("code %d, stderr %q, want %q", code, errs.String(), want)
	}
	if s := out.String(); strings.Count(s, "\n") != 1 || !strings.Contains(s, `"exit":2`) || !strings.Contains(s, `"hint":`) {
		t.Errorf("stdout %q", s)
	}
}
