package main

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"larder/builder"
	"larder/builder/index"
	"larder/builder/layer"
	"larder/builder/tags"
	"larder/builder/wheel"
	"larder/cmd/internal/config"
	"larder/overlay"
	"larder/popularity"
	"larder/snapshot"
	"larder/snapshot/gc"
	"larder/snapshot/image"
	"larder/snapshot/lock"
)

// TestExitCodes says the whole table once more, from the outside: design,
// section 8, and every sentinel of the packages that reaches a command.
func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		err  error
		code int
	}{
		{nil, 0},
		{errors.New("nobody foresaw"), 1},
		{errUsage, 2}, {usagef("no"), 2}, {config.ErrConfig, 2}, {popularity.ErrConfig, 2}, {index.ErrConfig, 2},
		{tags.ErrTarget, 2}, {gc.ErrOptions, 2}, {snapshot.ErrNoSnapshot, 2}, {snapshot.ErrStore, 2},
		{snapshot.ErrDamaged, 3},
		{builder.ErrRefused, 4}, {popularity.ErrRefused, 4}, {lock.ErrRefused, 4}, {wheel.ErrRefused, 4}, {image.ErrRefused, 4},
		{index.ErrRefused, 4}, {index.ErrHash, 4}, {index.ErrNoHash, 4}, {index.ErrNotFound, 4}, {overlay.ErrRefused, 4},
		{snapshot.ErrBusy, 5}, {overlay.ErrBusy, 5},
		{snapshot.ErrSpace, 6}, {unix.ENOSPC, 6}, {unix.EDQUOT, 6}, {unix.EFBIG, 6}, {unix.EMFILE, 6},
		{snapshot.ErrNoStore, 7}, {snapshot.ErrFormat, 7},
		{statusError(exitSkips), 8},
		{overlay.ErrUnsupported, 9}, {overlay.ErrDepth, 9}, {layer.ErrInterpreter, 9},
		{builder.ErrUnreachable, 10}, {popularity.ErrUnreachable, 10}, {index.ErrUnreachable, 10}, {index.ErrPage, 10},
		{errInterrupted, 130}, {context.Canceled, 130},
		// Of two reasons in one error the one a person has to act on decides.
		{fmt.Errorf("%w: %w", builder.ErrRefused, unix.ENOSPC), 6},
		{fmt.Errorf("%w: %w", builder.ErrRefused, index.ErrUnreachable), 10},
		{fmt.Errorf("%w: %w", snapshot.ErrDamaged, snapshot.ErrNoStore), 7},
	} {
		if c.err != nil {
			c.err = fmt.Errorf("do it: %w", c.err)
		}
		if got := exitCode(c.err); got != c.code {
			t.Errorf("%v: exit code %d, want %d", c.err, got, c.code)
		}
	}
}
