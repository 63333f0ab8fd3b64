//go:build linux

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"larder/overlay/instance"
	"larder/overlay/overlaytest"
)

// A view does not undo what a volume says of itself; what the container's own
// root says of writing is about its image. A profile can ask for noexec.
func TestMountHookInheritsFlags(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	const (
		pip      = "$R/home/a/.cache/pip"
		writes   = "echo x > " + pip + "/new"
		refuses  = "! " + writes + " 2>/dev/null"
		executes = "printf '#!/bin/sh\\nexit 0\\n' > " + pip + "/run; chmod +x " + pip + "/run; " + pip + "/run"
		cannot   = "printf '#!/bin/sh\\nexit 0\\n' > " + pip + "/run; chmod +x " + pip + "/run; ! " + pip + "/run 2>/dev/null"
		volume   = "mount -t tmpfs vol $R/home/a && mkdir -p " + pip + " && mount -o remount,bind,"
	)
	for _, tc := range []struct{ name, setup, profile, then string }{
		{"own root", ":", "", writes + "; " + executes},
		{"read-only root", "mkdir -p " + pip + " $R/mnt/cacache; mount -o remount,bind,ro $R", "", writes + "; " + executes},
		{"read-only volume", volume + "ro $R/home/a", "", refuses + " && test -e " + pip + "/http-v2/a/body"},
		{"noexec volume", volume + "noexec $R/home/a", "", writes + "; " + cannot},
		{"hardened volume", volume + "ro,noexec,nosuid,nodev $R/home/a", "", refuses},
		{"volume", volume + "rw $R/home/a", "", writes + "; " + executes},
		{"noexec by profile", ":", "noexec = true\n", cannot + "; grep -q ' '$R'/mnt/cacache ro,.*noexec' /proc/self/mountinfo"},
		{"noexec under the read-only view", "mkdir -p $R/mnt/cacache; mount -t tmpfs -o noexec vol $R/mnt && mkdir $R/mnt/cacache", "",
			executes + "; grep -q ' '$R'/mnt/cacache ro,.*noexec' /proc/self/mountinfo"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			store := filepath.Join(t.TempDir(), "store")
			publish(t, store, nil)
			config := filepath.Join(t.TempDir(), "config.toml")
			must(t, os.WriteFile(config, []byte("[profile.default]\n"+tc.profile), 0o600))
			f := start(t, store, "c1", 0)
			f.sh(tc.setup)
			if status, stderr := f.attach("--required", "--config", config); status != 0 || stderr != "" {
				t.Fatalf("exit %d, %q", status, stderr)
			}
			f.sh(tc.then)
		})
	}
}

// A config.json whose root is a directory of the host's own makes nothing there.
func TestMountHookRootOfTheHost(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	store := filepath.Join(t.TempDir(), "store")
	publish(t, store, nil)
	f := start(t, store, "c1", 0)
	t.Cleanup(func() { _ = os.RemoveAll("/dev/larder-test") }) // what a failure leaves
	for root, want := range map[string]string{"/dev": "devtmpfs", "/proc": "proc", "/sys": "sysfs", "/": "root"} {
		f.spec(specOf(root, "HOME=/larder-test"))
		before := f.sh("ls " + root)
		status, stderr := f.attach("--required")
		if status != 1 || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit %d, %q", root, status, stderr)
		}
		if after := f.sh("ls " + root); root != "/proc" && after != before {
			t.Errorf("%s holds\n%s\nand held\n%s", root, after, before)
		}
	}
}

// Where there is little room nothing is attached, and a limit that cannot be had is said.
func TestMountHookRoom(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	store := filepath.Join(t.TempDir(), "store")
	publish(t, store, nil)
	config := filepath.Join(t.TempDir(), "config.toml")
	must(t, os.WriteFile(config, []byte("[profile.default]\nmin_free = \"8000TB\"\n[profile.small]\nupper_limit = \"10MB\"\n"), 0o600))
	f := start(t, store, "c1", 0)
	if status, stderr := f.attach("--config", config); status != 0 || !strings.Contains(stderr, "nothing attached: ") || !strings.Contains(stderr, "min_free") {
		t.Errorf("little room: exit %d, %q", status, stderr)
	}
	if status, stderr := f.attach("--config", config, "--required"); status != 1 {
		t.Errorf("little room, required: exit %d, %q", status, stderr)
	}
	if got := left(t, store); got != "0 leases 0 instances 0 trash" {
		t.Errorf("left in the store: %s", got)
	}
	f.sh("! grep -q ' larder:' /proc/self/mountinfo")
	if instance.CanLimit(store) == nil {
		return
	}
	if status, stderr := f.attach("--config", config, "--profile", "small", "--required"); status != 1 || !strings.Contains(stderr, "no project quotas in force") {
		t.Errorf("no quotas, required: exit %d, %q", status, stderr)
	}
	if status, stderr := f.attach("--config", config, "--profile", "small"); status != 0 || !strings.Contains(stderr, "without its upper_limit: ") {
		t.Errorf("no quotas: exit %d, %q", status, stderr)
	}
	f.sh("test -e $R/home/a/.cache/pip/http-v2/a/body")
}

// With a label that SELinux does not have, nothing is attached, not even the read-only view without
// it, and the label is named.
func TestMountHookLabel(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	store := filepath.Join(t.TempDir(), "store")
	publish(t, store, nil)
	f := start(t, store, "c1", 0)
	s := specOf("rootfs", "HOME=/home/a")
	s.Linux = &specs.Linux{MountLabel: "of:nobodys:making:s0:c1,c2"}
	f.spec(s)
	for status, args := range map[int][]string{0: nil, 1: {"--required"}} {
		got, stderr := f.attach(args...)
		if got != status || strings.Count(stderr, "set context of:nobodys:making:s0:c1,c2: ") != 2 || strings.Contains(stderr, "stacked") {
			t.Errorf("exit %d, want %d: %q", got, status, stderr)
		}
	}
	if got := left(t, store); !strings.HasPrefix(got, "0 leases 0 instances ") {
		t.Errorf("left in the store: %s", got)
	}
	f.sh("! grep -q ' larder:' /proc/self/mountinfo && ! test -e $R/mnt/cacache")
}

func specOf(root string, env ...string) specs.Spec {
	return specs.Spec{Root: &specs.Root{Path: root}, Process: &specs.Process{Env: env}}
}
