package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"larder/overlay/keep"
	"larder/overlay/overlaytest"
	"larder/snapshot"
)

// What systemd and cron run at boot, when /run is empty, mounts the current snapshot; the unit has
// nothing to do before there is one, and lets go of it at shutdown. The build's own unit mounts the
// first.
func TestMountAtBoot(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	noError(t, unix.Mount("tmpfs", "/run", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755"))
	p := newProgram(t)
	store, err := snapshot.Create(filepath.Join(t.TempDir(), "a store"))
	noError(t, err)
	units := t.TempDir()
	p.must("larder", "--store", store.Dir(), "setup", "timer", "--dir", units)
	// The quotes that systemd reads are the shell's here.
	line := func(unit, key string) []string {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(units, unit))
		noError(t, err)
		found := regexp.MustCompile(`(?m)^` + key + `=-?(.*)$`).FindSubmatch(text)
		if found == nil {
			t.Fatalf("%s has no %s", unit, key)
		}
		return []string{"-c", string(found[1])}
	}
	wantKept := func(want ...snapshot.ID) {
		t.Helper()
		ids, err := keep.Dir(keep.DefaultDir).List(store.ObjectsDir())
		if err != nil || len(ids) != len(want) || len(want) > 0 && ids[0] != want[0].String() {
			t.Errorf("kept: %v, %v; want %v", ids, err, want)
		}
	}
	if _, errs, status := p.try("sh", line(mountServiceName, "ExecCondition")...); status == 0 || status > 254 {
		t.Errorf("without a snapshot: status %d, %s", status, errs)
	}
	id := publishFile(t, store, "first")
	p.must("sh", line(mountServiceName, "ExecCondition")...)
	for _, boot := range [][]string{line(mountServiceName, "ExecStart"), line(serviceName, "ExecStartPost"), cronBoot(p, store)} {
		p.must("sh", boot...)
		wantKept(id)
		p.must("sh", line(mountServiceName, "ExecStop")...)
		wantKept()
	}
}

// cronBoot is the command of the crontab's line for the boot.
func cronBoot(p *program, store *snapshot.Store) []string {
	out := p.must("larder", "--store", store.Dir(), "setup", "timer", "--cron")
	first, _, _ := strings.Cut(out, "\n")
	return []string{"-c", strings.TrimPrefix(first, "@reboot ")}
}
