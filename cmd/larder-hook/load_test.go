//go:build linux

package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"larder/overlay/overlaytest"
	"larder/snapshot"
)

// Load on the hook as it is shipped, without a runtime: one container after another, many held at a
// time, and many starts at once. None fails, and afterwards nothing is left, but for what a busy host
// leaves to gc. LARDER_LOAD says how much
// of each, as 100,40,20; make load takes 10000,1000,50.
func TestMountLoad(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	cycles, held, atOnce := 100, 40, 20
	if l := os.Getenv("LARDER_LOAD"); l != "" {
		if n, err := fmt.Sscanf(l, "%d,%d,%d", &cycles, &held, &atOnce); n != 3 || err != nil {
			t.Fatalf("LARDER_LOAD %q: %v", l, err)
		}
	}
	l := newLoad(t)
	before := l.host()
	l.cycles(cycles)
	l.unchanged("after the cycles", before)
	l.held(held)
	l.unchanged("after all were held", before)
	l.atOnce(atOnce)
	l.unchanged("after those at once", before)
}

// load is a host with a kept snapshot, and containers that share a root.
type load struct {
	t                         testing.TB
	store, bundle, empty, log string
}

func newLoad(t testing.TB) *load {
	dir := t.TempDir()
	l := &load{t: t, store: filepath.Join(dir, "store"), log: filepath.Join(dir, "log")}
	publish(t, l.store, nil)
	keepCurrent(t, l.store)
	l.empty = emptyConfig(t)
	f := &fake{t: t, bundle: t.TempDir()}
	f.makeBundle()
	l.bundle = f.bundle
	for _, d := range []string{"home/a/.cache/pip", "mnt/cacache"} { // each start would make and take back what is missing
		must(t, os.MkdirAll(filepath.Join(f.rootfs, d), 0o755))
	}
	return l
}

// host is what must be the same before and after: mounts, leases, instances, trash, hooks, and the
// descriptors of this process.
func (l *load) host() string {
	table, err := os.ReadFile("/proc/self/mountinfo")
	must(l.t, err)
	fds, err := os.ReadDir("/proc/self/fd")
	must(l.t, err)
	return fmt.Sprintf("%s%s %d hooks %d descriptors", table, left(l.t, l.store), hooks(l.t), len(fds))
}

func (l *load) unchanged(when, before string) {
	l.t.Helper()
	l.t.Logf("%s: %s", when, left(l.t, l.store))
	s, err := snapshot.Open(l.store)
	must(l.t, err)
	must(l.t, s.EmptyTrash(l.t.Context()))
	if changed := difference(before, l.host()); changed != "" {
		l.t.Errorf("%s the host is another:\n%s", when, changed)
	}
}

// contained is a process in namespaces of its own, in which the root is a mount.
type contained struct {
	*load
	id  string
	cmd *exec.Cmd
	in  io.Closer
}

func (l *load) start(id string) (contained, error) {
	c := contained{load: l, id: id, cmd: exec.Command("/bin/sh", "-c", `mount --make-rprivate / && mount --rbind $R $R && echo && read x`)}
	c.cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "R=" + l.bundle + "/rootfs"}
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID}
	in, err := c.cmd.StdinPipe()
	if err != nil {
		return c, err
	}
	c.in = in
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return c, err
	}
	if err := c.cmd.Start(); err != nil {
		return c, err
	}
	_, err = io.ReadFull(out, make([]byte, 1))
	return c, err
}

func (c contained) stop() {
	c.in.Close()
	_ = c.cmd.Wait()
}

// attach and release run the hook.
func (c contained) attach() (cost, error) {
	return c.hook(fmt.Sprintf(`{"id":%q,"status":"creating","pid":%d,"bundle":%q}`, c.id, c.cmd.Process.Pid, c.bundle), "attach", "--required")
}

func (c contained) release() (cost, error) {
	return c.hook(fmt.Sprintf(`{"id":%q,"status":"stopped","bundle":%q}`, c.id, c.bundle), "release")
}

func (c contained) hook(state string, args ...string) (cost, error) {
	cmd := exec.Command(hookBinary(c.t), append(args, "--store", c.store, "--config", c.empty, "--log", c.log)...)
	cmd.Stdin = strings.NewReader(state)
	took, err := measure(cmd)
	if err != nil {
		err = fmt.Errorf("%s of %s: %w", args[0], c.id, err)
	}
	return took, err
}

// cost is what a process took of the clock, and of the processors.
type cost struct{ wall, cpu time.Duration }

// measure runs a program that has nothing to say.
func measure(cmd *exec.Cmd) (cost, error) {
	var said bytes.Buffer
	cmd.Stderr = &said
	began := time.Now()
	err := cmd.Run()
	took := time.Since(began)
	if err != nil || said.Len() > 0 {
		return cost{}, fmt.Errorf("%w %s", err, said.String())
	}
	return cost{took, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}, nil
}

// cycles runs containers one after another. The last cost what the first did.
func (l *load) cycles(n int) {
	var attach, release, nothing []time.Duration
	for i := range n {
		c, err := l.start("cycle-" + strconv.Itoa(i))
		must(l.t, err)
		took, err := c.attach()
		must(l.t, err)
		attach = append(attach, took.wall)
		c.stop()
		took, err = c.release()
		must(l.t, err)
		release = append(release, took.wall)
		took, err = measure(exec.Command("/bin/true"))
		must(l.t, err)
		nothing = append(nothing, took.wall)
	}
	tenth := max(n/10, 1)
	for what, all := range map[string][]time.Duration{"attach": attach, "release": release, "/bin/true": nothing} {
		first, last := slices.Clone(all[:tenth]), slices.Clone(all[n-tenth:])
		l.t.Logf("%d cycles, %-9s p50 and p99 of the first %d: %s, of the last: %s", n, what, tenth, quantiles(first), quantiles(last))
		if what != "/bin/true" && last[tenth/2] > 10*first[tenth/2]+10*time.Millisecond {
			l.t.Errorf("%s gets slower", what)
		}
	}
}

// held starts containers, and ends them only when all are there.
func (l *load) held(n int) {
	var attach, release []time.Duration
	var all []contained
	memory := kernelMemory(l.t)
	for i := range n {
		c, err := l.start("held-" + strconv.Itoa(i))
		must(l.t, err)
		all = append(all, c)
		took, err := c.attach()
		must(l.t, err)
		attach = append(attach, took.wall)
	}
	if got := left(l.t, l.store); !strings.HasPrefix(got, fmt.Sprintf("%d leases %d instances", n, n)) {
		l.t.Errorf("with %d containers: %s", n, got)
	}
	l.t.Logf("%d held: %d kB of kernel memory each, containers included", n, (kernelMemory(l.t)-memory)/n)
	for _, c := range all {
		c.stop()
		took, err := c.release()
		must(l.t, err)
		release = append(release, took.wall)
	}
	tenth := max(n/10, 1)
	l.t.Logf("%d held, attach p50 and p99 of the first %d: %s, of the last: %s; release of the first: %s, of the last: %s", n, tenth,
		quantiles(attach[:tenth]), quantiles(attach[n-tenth:]), quantiles(release[:tenth]), quantiles(release[n-tenth:]))
}

// atOnce starts all at the same time, hooks and containers.
func (l *load) atOnce(n int) {
	took := make([]time.Duration, n)
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			c, err := l.start("at-once-" + strconv.Itoa(i))
			if err == nil {
				var one cost
				one, err = c.attach()
				took[i] = one.wall
				c.stop()
			}
			if err == nil {
				_, err = c.release()
			}
			if err != nil {
				l.t.Error(err)
			}
		})
	}
	group.Wait()
	l.t.Logf("%d at once, attach p50 and p99: %s", n, quantiles(took))
	if took[n-1] > 10*time.Second {
		l.t.Errorf("the slowest took %v", took[n-1])
	}
}

// quantiles sorts all.
func quantiles(all []time.Duration) string {
	slices.Sort(all)
	return fmt.Sprintf("%.2f %.2f ms", all[len(all)/2].Seconds()*1000, all[len(all)*99/100].Seconds()*1000)
}

// kernelMemory is what the kernel uses for itself, in kB (proc_meminfo(5)).
func kernelMemory(t testing.TB) (kB int) {
	b, err := os.ReadFile("/proc/meminfo")
	must(t, err)
	for line := range strings.Lines(string(b)) {
		for _, key := range []string{"Slab:", "KernelStack:", "PageTables:", "Percpu:"} {
			if rest, ok := strings.CutPrefix(line, key); ok {
				n, err := strconv.Atoi(strings.Fields(rest)[0])
				must(t, err)
				kB += n
			}
		}
	}
	return kB
}
