//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"larder/overlay/keep"
	"larder/snapshot"
)

// BenchmarkStart times the two processes that a runtime starts for a container, without the runtime:
// the hook at both stages, a Go program that does nothing, twice, and /bin/true, twice; in random
// order, for containers of a shell each. The machine's noise only ever adds, so the lower decile is
// what is compared. own and kept are as with BenchmarkRunc.
//
//	go test ./cmd/larder-hook -run '^$' -bench Start -benchtime 500x
func BenchmarkStart(b *testing.B) {
	for _, kept := range []bool{true, false} {
		b.Run(map[bool]string{true: "kept", false: "own"}[kept], func(b *testing.B) { benchmarkStart(b, kept) })
	}
}

func benchmarkStart(b *testing.B, kept bool) {
	store := filepath.Join(b.TempDir(), "store")
	publish(b, store, nil)
	if kept {
		keepCurrent(b, store)
	}
	nothing := filepath.Join(b.TempDir(), "nothing")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", nothing, "./testdata/nothing")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	f := &fake{t: b, store: store, bundle: b.TempDir()}
	f.makeBundle()
	log := filepath.Join(b.TempDir(), "log")
	common := []string{"--store", store, "--config", emptyConfig(b), "--log", log}
	names := []string{"larder", "go", "true"}
	took := map[string][]float64{}
	one := func(name string, n int) {
		f.id = fmt.Sprint("c", n)
		f.cmd = exec.Command("/bin/sh", "-c", `mount --make-rprivate / && mount --rbind $R $R && echo && read x`)
		f.cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "R=" + f.rootfs}
		f.cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID}
		in, err := f.cmd.StdinPipe()
		must(b, err)
		out, err := f.cmd.StdoutPipe()
		must(b, err)
		must(b, f.cmd.Start())
		_, err = io.ReadFull(out, make([]byte, 1))
		must(b, err)
		var attach, release []string
		switch name {
		case "larder":
			attach = append([]string{hookBinary(b), "attach", "--required"}, common...)
			release = append([]string{hookBinary(b), "release"}, common...)
		case "go":
			attach, release = []string{nothing}, []string{nothing}
		case "true":
			attach, release = []string{"/bin/true"}, []string{"/bin/true"}
		}
		first, cpu1 := timed(b, f.state(), attach)
		in.Close()
		_ = f.cmd.Wait()
		second, cpu2 := timed(b, fmt.Sprintf(`{"ociVersion":"1.0.2","id":%q,"status":"stopped","bundle":%q}`, f.id, f.bundle), release)
		took[name+" attach"] = append(took[name+" attach"], first)
		took[name+" release"] = append(took[name+" release"], second)
		took[name] = append(took[name], first+second)
		took[name+" cpu"] = append(took[name+" cpu"], cpu1+cpu2)
	}
	for i, name := range names {
		one(name, i) // makes the mount points, warms the caches
	}
	clear(took)
	b.ResetTimer()
	n := len(names)
	for range b.N {
		for _, k := range rand.Perm(len(names)) {
			one(names[k], n)
			n++
		}
	}
	b.StopTimer()
	p10 := map[string]float64{}
	for name, all := range took {
		slices.Sort(all)
		p10[name] = all[len(all)/10]
		unit := strings.ReplaceAll(name, " ", "-")
		b.ReportMetric(p10[name], unit+"-p10-ms")
		b.ReportMetric(all[len(all)/2], unit+"-p50-ms")
	}
	b.ReportMetric(p10["larder"]/p10["go"], "larder/go")
	b.ReportMetric(p10["larder"]/p10["true"], "larder/true")
	b.ReportMetric(p10["larder cpu"]/p10["go cpu"], "larder/go-cpu")
	b.ReportMetric(0, "ns/op") // of all together, nobody's figure
	text, err := os.ReadFile(log)
	must(b, err)
	logLaps(b, string(text))
}

// timed runs one program to its end, as a runtime does, and says how many milliseconds it took, of
// the clock and of the processors.
func timed(b *testing.B, stdin string, args []string) (wall, cpu float64) {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append([]string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}, strings.Fields(os.Getenv("HOOKENV"))...)
	r, w, err := os.Pipe()
	must(b, err)
	_, err = io.WriteString(w, stdin)
	must(b, err)
	w.Close()
	cmd.Stdin = r
	begin := time.Now()
	err = cmd.Run()
	d := time.Since(begin)
	r.Close()
	if err != nil {
		b.Fatalf("%v: %v", args, err)
	}
	used := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return float64(d.Nanoseconds()) / 1e6, float64(used.Nanoseconds()) / 1e6
}

// keepCurrent keeps the current snapshot mounted, as larder mount does, until the test ends.
func keepCurrent(t testing.TB, store string) {
	t.Helper()
	s, err := snapshot.Open(store)
	must(t, err)
	id, err := s.Current()
	must(t, err)
	run := keep.Dir(keep.DefaultDir)
	must(t, run.Mount(context.Background(), keep.Snapshot{ID: id.String(), Image: s.ImagePath(id), Objects: s.ObjectsDir()}))
	t.Cleanup(func() { must(t, run.Unmount(context.Background(), id.String(), s.ObjectsDir())) })
}
