package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"larder/overlay/overlaytest"
)

// A container's words make no line of their own in the log, move no cursor, and hold no secret of an address.
func TestMountHookHostileAnnotation(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	store := filepath.Join(t.TempDir(), "store")
	publish(t, store, nil)
	f := start(t, store, "c1", 0)
	s := specOf("rootfs", "HOME=/home/a")
	venv := "/a\n<0>larder-hook: forged\x1b[31m\u202e https://u:s3cret@h/lock?sig=s3cret"
	s.Annotations = map[string]string{lockAnnotation: "/lock", venvAnnotation: venv}
	f.sh(`mkdir -p "$R$(printf '` + strings.ReplaceAll(venv, "\n", `\n`) + `')/of-somebody"`) // so that none is made there
	f.spec(s)
	log, config := filepath.Join(t.TempDir(), "log"), filepath.Join(t.TempDir(), "config.toml")
	must(t, os.WriteFile(config, []byte("[profile.default]\nallow_container_lock = true\n"), 0o600))
	status, stderr := f.attach("--log", log, "--config", config)
	got, err := os.ReadFile(log)
	must(t, err)
	for name, text := range map[string]string{"log": string(got), "stderr": stderr} {
		if status != 0 || strings.Count(text, "\n") != 1 || strings.ContainsAny(text, "\x1b\u202e") || strings.Contains(text, "s3cret") ||
			!strings.Contains(text, "forged") || !strings.Contains(text, "left out: environment") || !strings.Contains(text, " ms.attach=") {
			t.Errorf("exit %d, %s: %q", status, name, text)
		}
	}
	f = start(t, store, "c2", 0)
	if status, stderr := f.attach("--log", filepath.Join(t.TempDir(), "none/log")); status != 0 || !strings.HasPrefix(stderr, "larder-hook: open log ") {
		t.Errorf("a log that cannot be opened: exit %d, %q", status, stderr)
	}
}

// A profile that shares nothing: the container starts, with --required too, and has no mount, no lease
// and nothing of what the profile or the container names.
func TestMountHookWithoutSharing(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	store := filepath.Join(t.TempDir(), "store")
	publish(t, store, nil)
	profiles := filepath.Join(t.TempDir(), "config.toml")
	must(t, os.WriteFile(profiles, []byte("[profile.alone]\nshare = false\nlock = \"/etc/lock\"\nvenv = \"/home/a\"\nallow_container_lock = true\n"), 0o600))
	f := start(t, store, "c1", 0)
	before := f.sh("cat /proc/self/mountinfo; find $R -xdev")
	if status, stderr := f.attach("--required", "--config", profiles, "--profile", "alone"); status != 0 || stderr != "" {
		t.Errorf("exit %d, %q", status, stderr)
	}
	if after := f.sh("cat /proc/self/mountinfo; find $R -xdev"); after != before {
		t.Errorf("the container changed:\n%s", difference(before, after))
	}
	if got := left(t, store); got != "0 leases 0 instances 0 trash" {
		t.Errorf("in the store: %s", got)
	}
	f.stop()
	f.release()
}

// What a container writes is for nobody else on the host, in a store of any name: others cannot come
// near it, and what runs as its owner, or is a device, runs and opens nowhere.
func TestMountHookUpperIsPrivate(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	dir := t.TempDir()
	must(t, os.Chmod(filepath.Dir(dir), 0o755))
	must(t, os.Chmod(dir, 0o755))
	store := filepath.Join(dir, "a,b:c\\d e\nf")
	publish(t, store, nil)
	f := start(t, store, "c1", 0)
	if status, stderr := f.attach("--required"); status != 0 {
		t.Fatalf("exit %d, %q", status, stderr)
	}
	f.sh(`cd $R/home/a/.cache/pip && cp /bin/sh root && chmod 4755 root && mknod zero c 1 5 && chmod 666 zero && rm wheels/b`)
	f.sh(`! head -c 1 $R/home/a/.cache/pip/zero 2>/dev/null`)
	if got := f.sh(`setpriv --reuid 12345 --clear-groups $R/home/a/.cache/pip/root -p -c 'id -u'`); got != "12345\n" {
		t.Errorf("the set-uid program in the view runs as %q", got)
	}
	for _, name := range []string{"root", "zero", "wheels/b"} {
		upper, err := filepath.Glob(filepath.Join(strings.NewReplacer(`\`, `\\`).Replace(store), "instances/*/pip/u", name))
		if err != nil || len(upper) != 1 {
			t.Fatalf("%s: %q, %v", name, upper, err)
		}
		if out, err := exec.Command("setpriv", "--reuid", "12345", "--clear-groups", "stat", upper[0]).CombinedOutput(); err == nil || !strings.Contains(string(out), "Permission denied") {
			t.Errorf("for others: %s, %v", out, err)
		}
	}
	f.stop()
	f.release()
}
