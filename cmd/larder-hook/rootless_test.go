//go:build linux

package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"larder/overlay/overlaytest"
)

// A hook of an engine without root is root of its user's namespace only. What is the host's root's it
// cannot have: one line says what, and what mends it, and the container starts.
func TestMountHookWithoutRoot(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	const user = 65534
	store := filepath.Join(t.TempDir(), "store")
	publish(t, store, nil)
	f := start(t, store, "c1", user)
	dir := t.TempDir()
	must(t, os.Chmod(dir, 0o755))
	must(t, os.Chmod(filepath.Dir(dir), 0o755))
	roots, own := filepath.Join(dir, "roots.toml"), filepath.Join(dir, "own.toml")
	must(t, os.WriteFile(roots, nil, 0o644))
	must(t, os.WriteFile(own, nil, 0o644))
	must(t, os.Chown(own, user, user))
	before := left(t, store)
	for _, tc := range []struct{ name, config, want string }{
		{"root's configuration", roots, "name a file of the engine's user with --config"},
		{"root's store", own, "larder mount --user"},
	} {
		for want, flags := range map[int][]string{exitOK: nil, exitRequired: {"--required"}} {
			status, line := hookOf(t, user, f.state(), append([]string{"attach", "--store", store, "--config", tc.config, "--log", "/dev/null"}, flags...)...)
			if status != want || strings.Count(line, "\n") != 1 || !strings.HasPrefix(line, "larder-hook: attach c1: nothing attached: ") || !strings.Contains(line, tc.want) {
				t.Errorf("%s, %v: exit %d, %q", tc.name, flags, status, line)
			}
		}
	}
	if after := left(t, store); after != before {
		t.Errorf("left %s, was %s", after, before)
	}
	if m := f.sh("grep larder: /proc/self/mountinfo || :"); m != "" {
		t.Errorf("mounted: %s", m)
	}
}

// hookOf is hook as root of a user's own namespace, and nobody else.
func hookOf(t testing.TB, user int, stdin string, args ...string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, hookBinary(t), args...)
	ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: user, Size: 1}}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS, UidMappings: ids, GidMappings: ids,
		Credential: &syscall.Credential{NoSetGroups: true}}
	cmd.Stdin = strings.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	err := cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), stderr.String()
}
