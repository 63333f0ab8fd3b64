//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"larder/overlay/overlaytest"
)

const limited = 20e6 // bytes of the profile

// A container that writes all it can is stopped where its profile says, on each file
// system that has project quotas; others go on, and so does the store. LARDER_TEST_HAS names those file
// systems that this host must have.
func TestE2ERuncLimit(t *testing.T) {
	needRunc(t)
	if !overlaytest.Inside(t) {
		return
	}
	for name, mkfs := range map[string]string{
		"ext4-quotas": "mkfs.ext4 -q -O quota,project -E quotatype=prjquota $1 && mount -o loop,prjquota $1 $2",
		"xfs-quotas":  "mkfs.xfs -q $1 && mount -o loop,prjquota $1 $2",
	} {
		t.Run(name, func(t *testing.T) {
			disk, err := os.MkdirTemp("", "larder-limit-")
			must(t, err)
			image := disk + ".image"
			must(t, os.WriteFile(image, nil, 0o600))
			must(t, os.Truncate(image, 320<<20))
			t.Cleanup(func() {
				_ = unix.Unmount(disk, unix.MNT_DETACH)
				_, _ = os.Remove(image), os.Remove(disk)
			})
			if out, err := exec.Command("sh", "-ec", mkfs, "sh", image, disk).CombinedOutput(); err != nil {
				if slices.Contains(strings.Fields(os.Getenv("LARDER_TEST_HAS")), name) {
					t.Fatalf("%v: %s", err, out)
				}
				t.Logf("not on this host: %s", out)
				return
			}
			t.Setenv("TMPDIR", disk)
			fillLimited(t, newWorld(t, "[profile.default]\nupper_limit = \"20MB\"\n"))
		})
	}
}

// fillLimited runs the greedy one, and beside it, when that is full, a modest one.
func fillLimited(t *testing.T, w *world) {
	greedy := w.spec(`cd $HOME/.cache/pip && cat /dev/zero >big; touch /opt/full; until test -e /opt/done; do sleep 0.5; done; echo x >more || stat -c %s big`)
	modest := w.spec(`trap "touch /opt/done" EXIT; until test -e /opt/full; do sleep 0.5; done; cd $HOME/.cache/pip && for i in 1 2 3 4 5 6 7 8; do for j in 1 2 3 4 5 6 7 8; do cat /bin/sh || exit 1; done; done >own && stat -c %s own /bin/sh`)
	for _, s := range []*specs.Spec{greedy, modest} {
		s.Process.Env = append(s.Process.Env, "HOME=/home/a")
	}
	var full, stderr string
	var err error
	var others sync.WaitGroup
	others.Go(func() { full, stderr, err = w.run("greedy", greedy) })
	own := strings.Fields(w.output("modest", modest))
	others.Wait()
	size, _ := strconv.ParseInt(strings.TrimSpace(full), 10, 64)
	if err != nil || size > limited || size < limited/2 || !strings.Contains(stderr, "No space left") && !strings.Contains(stderr, "quota exceeded") {
		t.Errorf("the greedy one wrote %q: %v, %s\nlog: %s", full, err, stderr, w.logged())
	}
	got, _ := strconv.Atoi(own[0])
	if shell, _ := strconv.Atoi(own[1]); got != 64*shell || got == 0 {
		t.Errorf("the modest one wrote %q", own)
	}
	if strings.Contains(w.logged(), "without its upper_limit") {
		t.Error("no limit was set:", w.logged())
	}
	must(t, os.WriteFile(filepath.Join(w.dir, "host"), make([]byte, limited), 0o600))
	runLimited(t, w)
}

// runLimited is the same of a command of larder run.
func runLimited(t *testing.T, w *world) {
	must(t, os.WriteFile(w.config, []byte("[run]\nupper_limit = \"20MB\"\n"), 0o600))
	must(t, os.Mkdir(filepath.Join(w.dir, "home"), 0o755))
	cmd := exec.Command(larderBinary(t), "--store", w.store, "--config", w.config, "run", "--required", "--", "sh", "-c",
		"cat /dev/zero >$HOME/.cache/pip/big || stat -c %s $HOME/.cache/pip/big")
	cmd.Env, cmd.Dir = append(os.Environ(), "HOME="+filepath.Join(w.dir, "home")), "/"
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	size, _ := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	if err != nil || size > limited || size < limited/2 {
		t.Errorf("larder run wrote %q: %v, %s", out, err, &stderr)
	}
}
