package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"larder/builder"
	mavensettings "larder/builder/maven/settings"
	"larder/builder/npm/registry"
	"larder/builder/npm/tarball"
	"larder/builder/pypi/index"
	"larder/builder/pypi/layer"
	"larder/builder/pypi/uvcache"
	"larder/builder/pypi/wheel"
	"larder/cmd/internal/config"
	"larder/overlay"
	"larder/popularity"
	"larder/snapshot"
	"larder/snapshot/ecosystem"
	"larder/snapshot/gc"
	"larder/snapshot/image"
	"larder/snapshot/maven"
	"larder/snapshot/npm"
	npmlock "larder/snapshot/npm/lock"
	"larder/snapshot/pypi"
	"larder/snapshot/pypi/lock"
)

// The exit codes of every command. larder run keeps its command's status
// instead; see run.go.
const (
	exitOK          = 0
	exitInternal    = 1   // a fault of larder's, or one nobody foresaw
	exitUsage       = 2   // the command line or the configuration
	exitDamage      = 3   // verify found damage
	exitRefused     = 4   // an input was refused: a lock, a ranking, a wheel
	exitBusy        = 5   // another process holds what this one needs; try again
	exitSpace       = 6   // no space, or a limit was reached
	exitNoStore     = 7   // no store here, or one of an unknown format
	exitSkips       = 8   // done, with skips or lacks that are named
	exitUnsupported = 9   // this host lacks a feature
	exitNetwork     = 10  // the index or the network
	exitInterrupted = 130 // SIGINT or SIGTERM
)

// exitMeanings are what help and the manual page say of them.
var exitMeanings = []struct {
	code int
	text string
}{
	{exitOK, "ok"},
	{exitInternal, "internal: a fault of larder's or of the host"},
	{exitUsage, "usage or configuration"},
	{exitDamage, "damage found"},
	{exitRefused, "input refused"},
	{exitBusy, "busy"},
	{exitSpace, "out of space, or a limit"},
	{exitNoStore, "no store here, or of an unknown format"},
	{exitSkips, "published, with skips"},
	{exitUnsupported, "the host lacks a feature"},
	{exitNetwork, "network or registry"},
	{exitInterrupted, "interrupted"},
}

// exitCodesText is the table as one paragraph.
func exitCodesText() string {
	var b strings.Builder
	b.WriteString("Exit codes:")
	for i, m := range exitMeanings {
		if i > 0 {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, " %d %s", m.code, m.text)
	}
	return b.String() + ". larder run ends with its command's status; its own failures are 125."
}

var (
	errUsage       = errors.New("usage")
	errInterrupted = errors.New("interrupted")
)

// exitCodes is the table: the first row whose error matches decides.
var exitCodes = []struct {
	is   error
	code int
}{
	{errInterrupted, exitInterrupted},
	{context.Canceled, exitInterrupted}, // only a signal ends the command's context
	// A fault of the host before the input it came up with: a wheel that a full disk could
	// not take is not refused, and a lock on a broken disk is no mistake of its author.
	{snapshot.ErrSpace, exitSpace},
	{unix.ENOSPC, exitSpace},
	{unix.EDQUOT, exitSpace},
	{unix.EFBIG, exitSpace},
	{unix.EMFILE, exitSpace},
	{unix.ENFILE, exitSpace},
	{overlay.ErrUnsupported, exitUnsupported},
	{overlay.ErrDepth, exitUnsupported},
	{overlay.ErrBusy, exitBusy},
	{snapshot.ErrHost, exitInternal},
	{errFault, exitInternal},
	{errUsage, exitUsage},
	{config.ErrConfig, exitUsage},
	{popularity.ErrConfig, exitUsage},
	{index.ErrConfig, exitUsage},
	{registry.ErrConfig, exitUsage},
	{mavensettings.ErrConfig, exitUsage},
	{pypi.ErrTag, exitUsage},
	{npm.ErrTag, exitUsage},
	{maven.ErrTag, exitUsage},
	{builder.ErrBudget, exitUsage},
	{gc.ErrOptions, exitUsage},
	{snapshot.ErrNoSnapshot, exitUsage},
	{snapshot.ErrStore, exitUsage},
	{snapshot.ErrHeld, exitUsage},
	{snapshot.ErrNoStore, exitNoStore},
	{snapshot.ErrFormat, exitNoStore},
	{snapshot.ErrBusy, exitBusy},
	{layer.ErrInterpreter, exitUnsupported},
	{uvcache.ErrProgram, exitUnsupported},
	{snapshot.ErrDamaged, exitDamage},
	{overlay.ErrDamaged, exitDamage},
	{errFaultOfName, exitInternal},
	// An index that does not answer before a refused lock: that what a lock names could
	// not be had is then the network's fault.
	{builder.ErrUnreachable, exitNetwork},
	{index.ErrUnreachable, exitNetwork},
	{index.ErrPage, exitNetwork},
	{popularity.ErrUnreachable, exitNetwork},
	{errLacking, exitSkips},
	{builder.ErrRefused, exitRefused},
	{popularity.ErrRefused, exitRefused},
	{ecosystem.ErrRefused, exitRefused},
	{lock.ErrRefused, exitRefused},
	{npmlock.ErrRefused, exitRefused},
	{maven.ErrRefused, exitRefused},
	{wheel.ErrRefused, exitRefused},
	{tarball.ErrRefused, exitRefused},
	{image.ErrRefused, exitRefused},
	{index.ErrRefused, exitRefused},
	{index.ErrNotFound, exitRefused},
	{index.ErrHash, exitRefused},
	{index.ErrNoHash, exitRefused},
	{overlay.ErrRefused, exitRefused},
}

var (
	// errFault stands for every errno of this host that no name on the command line or in
	// the configuration explains: EIO, EINTR, EROFS, ESTALE, ENOMEM, EAGAIN…
	errFault = errors.New("the host failed")
	// errFaultOfName stands for the others. They are the caller's where the table has a row
	// for the name he gave, damage where it is a name of the store's, and else the host's too.
	errFaultOfName = errors.New("the host failed on a name")
)

// ofName are the errnos of a name: it is not there, is something else, is not the caller's.
var ofName = []unix.Errno{unix.ENOENT, unix.ENOTDIR, unix.EISDIR, unix.EEXIST, unix.ELOOP, unix.ENAMETOOLONG,
	unix.EACCES, unix.EPERM, unix.EINVAL, unix.ENXIO, unix.ENOEXEC}

// faultOf returns which of the two err is, or nil.
func faultOf(err error) error {
	switch errno := snapshot.HostFault(err); {
	case errno == 0:
		return nil
	case slices.Contains(ofName, errno):
		return errFaultOfName
	}
	return errFault
}

// exitCode returns the code that an error ends the program with.
func exitCode(err error) int {
	if err == nil {
		return exitOK
	}
	var status statusError
	if errors.As(err, &status) {
		return int(status)
	}
	fault := faultOf(err)
	for _, row := range exitCodes {
		if errors.Is(err, row.is) || fault != nil && row.is == fault {
			return row.code
		}
	}
	return exitInternal
}

// statusError ends the program with a code and says nothing more: what there
// was to say has been said.
type statusError int

func (s statusError) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// usageError is a fault of the command line or the configuration.
type usageError struct{ text, advice string }

func usagef(format string, args ...any) *usageError {
	return &usageError{text: fmt.Sprintf(format, args...)}
}

func (e *usageError) hint(format string, args ...any) *usageError {
	e.advice = fmt.Sprintf(format, args...)
	return e
}

func (e *usageError) Error() string        { return e.text }
func (e *usageError) Hint() string         { return e.advice }
func (e *usageError) Is(target error) bool { return target == errUsage }

// report says err on stderr (and as JSON on stdout when asked) and returns the
// exit code.
func report(stdout, stderr io.Writer, asJSON bool, err error) int {
	code := exitCode(err)
	var status statusError
	if err == nil || errors.As(err, &status) {
		return code
	}
	text, hint := printable(err.Error()), printable(hintOf(err))
	tellFailure(stderr, err.Error(), hintOf(err), code)
	if asJSON {
		enc := json.NewEncoder(stdout)
		enc.SetEscapeHTML(false)
		enc.Encode(struct {
			Error string `json:"error"`
			Hint  string `json:"hint,omitempty"`
			Exit  int    `json:"exit"`
		}{text, hint, code})
	}
	return code
}

// hintOf is the advice that comes with an error, or "".
func hintOf(err error) string {
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) {
		return hinted.Hint()
	}
	return ""
}

// wantsJSON looks for --json where the flag parser may have failed before it.
func wantsJSON(args []string) bool {
	for _, a := range args {
		switch a {
		case "--":
			return false
		case "--json", "-json", "--json=true":
			return true
		}
	}
	return false
}
