//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"larder/overlay/overlaytest"
)

// The unit has a plugin that dies or hangs started again, is written once, and removed.
func TestMountSetupNRI(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	h := newHookHost(t)
	plugin, units := filepath.Join(h.dir, "larder-nri"), filepath.Join(h.dir, "units")
	h.write(plugin, "#!/bin/sh\necho larder-nri 1\n", 0o755)
	if err := os.Mkdir(units, 0o755); err != nil {
		t.Fatal(err)
	}
	setup := []string{"setup", "nri", "--nri", plugin, "--dir", units}
	if r := h.report(append(setup, "--dry-run")...); len(r.Planned) != 1 || len(r.Wrote) != 0 {
		t.Errorf("dry run: %+v", r)
	}
	if r := h.report(append(setup, "--required")...); len(r.Wrote) != 1 || len(r.Next) != 1 {
		t.Errorf("first: %+v", r)
	}
	path := filepath.Join(units, nriServiceName)
	text, err := os.ReadFile(path)
	for _, want := range []string{"\nExecStart=" + plugin + " --store " + h.store + " --required\n", "\nType=notify\n", "\nRestart=always\n", "\nWatchdogSec=10\n", "\nStartLimitIntervalSec=0\n", "\nBefore=kubelet.service\n"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in the unit (%v):\n%s", want, err, text)
		}
	}
	if analyze, err := exec.LookPath("systemd-analyze"); err == nil {
		if out, err := exec.Command(analyze, "verify", path).CombinedOutput(); err != nil || strings.Contains(string(out), "larder-nri") {
			t.Errorf("systemd-analyze verify: %v\n%s", err, out)
		}
	} else {
		t.Log("no systemd-analyze here: the unit's lines are not checked")
	}
	if r := h.report(append(setup, "--required")...); len(r.Unchanged) != 1 {
		t.Errorf("again: %+v", r)
	}
	if r := h.report(append(setup, "--remove")...); len(r.Removed) != 1 {
		t.Errorf("removal: %+v", r)
	}
	for _, refused := range [][]string{{"setup", "nri", "x"}, {"setup", "nri", "--nri", h.hook, "--dir", units}, {"setup", "nri", "--nri", filepath.Join(h.dir, "none"), "--dir", units}, append(setup, "--dir", filepath.Join(h.dir, "none"))} {
		if out, err := larder(t, h.store, refused...); err == nil || out != "" {
			t.Errorf("%q: %v, %q", refused, err, out)
		}
	}
	if err := os.Chmod(plugin, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := larder(t, h.store, setup...); exitCode(err) != exitUsage || !strings.Contains(err.Error(), "others can write what root runs") {
		t.Errorf("anybody's program: %v", err)
	}
}
