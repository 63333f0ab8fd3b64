//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"larder/overlay"
	"larder/overlay/overlaytest"
)

// As many containers of runc as LARDER_RUNC_LOAD says (make load takes 1,000), all running at a time: each has
// its mounts, the last start costs what the first did, and when they are deleted nothing is left.
func TestE2ERuncLoad(t *testing.T) {
	needRunc(t)
	if !overlaytest.Inside(t) { // what is kept mounted is not the host's
		return
	}
	w := newWorld(t, "")
	keepCurrent(t, w.store)
	n := 20
	if l := os.Getenv("LARDER_RUNC_LOAD"); l != "" {
		var err error
		n, err = strconv.Atoi(l)
		must(t, err)
	}
	bundle := filepath.Join(w.dir, "bundle")
	must(t, os.MkdirAll(bundle, 0o755))
	spec := w.spec("exec sleep 3600", "--required")
	data, err := json.Marshal(spec)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(bundle, "config.json"), data, 0o644))
	runc := func(args ...string) error {
		cmd := exec.Command("runc", append([]string{"--root", filepath.Join(w.dir, "runc")}, args...)...)
		// A file: the container's process has it, too, and outlives runc.
		said, err := os.Create(filepath.Join(w.dir, "said"))
		must(t, err)
		defer said.Close()
		cmd.Stdout, cmd.Stderr = said, said
		if err := cmd.Run(); err != nil {
			text, _ := os.ReadFile(said.Name())
			return fmt.Errorf("runc %v: %w\n%s\nlog: %s", args, err, text, w.logged())
		}
		return nil
	}
	var running []string
	t.Cleanup(func() {
		for _, id := range running {
			_ = runc("delete", "--force", id)
		}
	})
	before := w.host()
	memory := kernelMemory(t)
	var starts []time.Duration
	for i := range n {
		id, pid := fmt.Sprint("load-", i), filepath.Join(w.dir, "pid")
		began := time.Now()
		must(t, runc("run", "--detach", "--bundle", bundle, "--pid-file", pid, id))
		starts = append(starts, time.Since(began))
		running = append(running, id)
		number, err := os.ReadFile(pid)
		must(t, err)
		table, err := os.ReadFile("/proc/" + string(number) + "/mountinfo")
		must(t, err)
		if got := strings.Count(string(table), " "+overlay.SourcePrefix); got != 2 {
			t.Errorf("%s has %d mounts of ours\n%s", id, got, table)
		}
	}
	if got := left(t, w.store); !strings.HasPrefix(got, fmt.Sprintf("%d leases %d instances", n, n)) {
		t.Errorf("with %d containers: %s", n, got)
	}
	tenth := max(n/10, 1)
	first, last := slices.Clone(starts[:tenth]), slices.Clone(starts[n-tenth:])
	hook := attachTimes(t, w.logged())
	if len(hook) != n {
		t.Fatalf("%d attaches in the log", len(hook))
	}
	t.Logf("%d held: %d kB of kernel memory each; runc run p50 and p99 of the first %d: %s, of the last: %s; attach by the hook's own clock: %s, %s",
		n, (kernelMemory(t)-memory)/n, tenth, quantiles(first), quantiles(last), quantiles(slices.Clone(hook[:tenth])), quantiles(slices.Clone(hook[n-tenth:])))
	for _, id := range running {
		must(t, runc("delete", "--force", id))
	}
	running = nil
	w.unchanged(before)
}

// attachTimes reads what the hook logged of each attach: milliseconds in all.
func attachTimes(t testing.TB, log string) (took []time.Duration) {
	for _, m := range regexp.MustCompile(`(?m) attach .* ms=([0-9.]+) `).FindAllStringSubmatch(log, -1) {
		ms, err := strconv.ParseFloat(m[1], 64)
		must(t, err)
		took = append(took, time.Duration(ms*float64(time.Millisecond)))
	}
	return took
}
