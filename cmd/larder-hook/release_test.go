//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"larder/overlay/instance"
	"larder/overlay/overlaytest"
	"larder/snapshot"
	"larder/snapshot/gc"
)

// refused releases a container whose lease must stay, and wants to be told why.
func (f *fake) refused(why string) {
	f.t.Helper()
	before := left(f.t, f.store)
	status, stderr := f.poststop()
	if status != 0 || !strings.Contains(stderr, "nothing released") || !strings.Contains(stderr, why) {
		f.t.Errorf("release: exit %d, %q; want %q", status, stderr, why)
	}
	if after := left(f.t, f.store); after != before {
		f.t.Errorf("release changed %s to %s", before, after)
	}
}

// Each root of a runtime has ids of its own: neither the start nor the end of another container of that
// id, nor a state that somebody replays, takes anything of one that lives.
func TestMountReleaseOfAnotherContainer(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	store := filepath.Join(t.TempDir(), "store")
	publish(t, store, nil)
	f, other := start(t, store, "c1", 0), start(t, store, "c1", 0)
	if status, stderr := f.attach("--required"); status != 0 {
		t.Fatalf("attach: exit %d, %q", status, stderr)
	}
	f.sh(`echo mine > $R/home/a/.cache/pip/mine`)
	other.release() // before it has anything
	if status, stderr := other.attach("--required"); status != 0 {
		t.Fatalf("attach of the other: exit %d, %q", status, stderr)
	}
	other.sh(`test ! -e $R/home/a/.cache/pip/mine`)
	f.refused("not known to have ended")
	other.stop()
	other.release()
	f.sh(`test "$(cat $R/home/a/.cache/pip/mine)" = mine`)
	if got := left(t, store); !strings.HasPrefix(got, "1 leases 1 instances ") {
		t.Errorf("after the other's end: %s", got)
	}
	f.stop()
	f.release()
	if got := left(t, store); !strings.HasPrefix(got, "0 leases 0 instances ") {
		t.Errorf("after release: %s", got)
	}
	other.release() // there is none: twice is no error
}

// Release empties what its container left, and keeps the names of what it had to download. What is too
// much for its share stays for gc, and the runtime does not wait for it.
func TestMountReleaseEmptiesItsTrash(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	store := filepath.Join(t.TempDir(), "store")
	publish(t, store, nil)
	s, err := snapshot.Open(store)
	must(t, err)
	var f *fake
	for try := 0; ; try++ { // a busy host may leave no time for it
		f = start(t, store, fmt.Sprint("c", try), 0)
		if status, stderr := f.attach("--required"); status != 0 {
			t.Fatalf("attach: exit %d, %q", status, stderr)
		}
		f.sh(`cd $R/home/a/.cache/pip && mkdir -p wheels/ab && : >wheels/ab/fetched-2.0-py3-none-any.whl; cd /`)
		f.stop()
		f.release()
		got := left(t, store)
		if got == "0 leases 0 instances 0 trash" {
			break
		}
		if try == 20 {
			t.Fatalf("after release: %s", got)
		}
		must(t, s.EmptyTrash(t.Context()))
	}
	days, err := filepath.Glob(filepath.Join(store, "misses/*.jsonl"))
	must(t, err)
	if b, err := os.ReadFile(strings.Join(days, "")); err != nil || !strings.Contains(string(b), `"project":"fetched","version":"2.0"`) {
		t.Errorf("misses: %q, %v", b, err)
	}

	f = start(t, store, "large", 0)
	if status, stderr := f.attach("--required"); status != 0 {
		t.Fatalf("attach: exit %d, %q", status, stderr)
	}
	f.sh(`cd $R/home/a/.cache/pip && for d in 1 2 3 4; do mkdir $d && (cd $d && seq 10000 | xargs touch); done; cd /`)
	f.stop()
	begin := time.Now()
	f.release()
	t.Logf("release of 40,000 files: %v", time.Since(begin))
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("the runtime waited %v", took)
	}
	if got := left(t, store); got != "0 leases 0 instances 1 trash" {
		t.Errorf("after release: %s", got)
	}
	_, err = gc.Run(t.Context(), s, gc.Options{Keep: 1, Mounted: instance.Mounted})
	must(t, err)
	if got := left(t, store); got != "0 leases 0 instances 0 trash" {
		t.Errorf("after gc: %s", got)
	}
}

// A lease that cannot be read may be a live container's: its id gets no other, and is not released.
func TestMountHookWithAnUnreadableLease(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	store := filepath.Join(t.TempDir(), "store")
	publish(t, store, nil)
	f := start(t, store, "c1", 0)
	if status, stderr := f.attach("--required"); status != 0 {
		t.Fatalf("attach: exit %d, %q", status, stderr)
	}
	other := f.again()
	paths, err := filepath.Glob(filepath.Join(store, "leases/*.json"))
	if err != nil || len(paths) != 1 {
		t.Fatal(paths, err)
	}
	before, err := os.ReadFile(paths[0])
	must(t, err)
	// The kernel refuses whoever opens it without waiting.
	lease, err := os.OpenFile(paths[0], os.O_RDWR, 0)
	must(t, err)
	_, err = unix.FcntlInt(lease.Fd(), unix.F_SETLEASE, unix.F_WRLCK)
	must(t, err)
	if status, stderr := other.attach("--required"); status != 1 || !strings.Contains(stderr, "read the lease") {
		t.Errorf("attach: exit %d, %q", status, stderr)
	}
	f.refused("resource temporarily unavailable")
	must(t, lease.Close())
	if after, err := os.ReadFile(paths[0]); err != nil || string(after) != string(before) {
		t.Errorf("the lease is %q, %v", after, err)
	}
	// A torn one is of a container that a power cut ended.
	f.stop()
	must(t, os.WriteFile(paths[0], make([]byte, 100), 0o600))
	if status, stderr := other.attach("--required"); status != 0 {
		t.Errorf("over a torn lease: exit %d, %q", status, stderr)
	}
}

// A container's first process is dead and what it started lives: its upper is not emptied, by
// release, by the next container of that id, or by gc, until that has ended too.
func TestMountReleaseLeavesWhatIsStillMounted(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	for _, by := range []string{"release", "gc", "the next"} {
		t.Run(by, func(t *testing.T) {
			dir := t.TempDir()
			store := filepath.Join(dir, "store")
			publish(t, store, nil)
			f := start(t, store, "c1", 0)
			if status, stderr := f.attach("--required"); status != 0 {
				t.Fatalf("attach: exit %d, %q", status, stderr)
			}
			f.sh(`cd $R/home/a/.cache/pip && echo mine >mine && { while sleep 0.05; do [ -e ` + dir + `/end ] && exit; done & }`)
			f.stop()
			switch by {
			case "release":
				if status, stderr := f.poststop(); status != 0 || !strings.Contains(stderr, "still uses its instance") {
					t.Errorf("release: exit %d, %q", status, stderr)
				}
			case "the next":
				other := f.again()
				if status, stderr := other.attach("--required"); status != 0 {
					t.Errorf("attach: exit %d, %q", status, stderr)
				}
				other.stop()
				other.release()
			}
			s, err := snapshot.Open(store)
			must(t, err)
			uppers := func() []string {
				t.Helper()
				must(t, s.EmptyTrash(t.Context()))
				_, err := gc.Run(t.Context(), s, gc.Options{Keep: 1, Mounted: instance.Mounted})
				must(t, err)
				found, err := filepath.Glob(filepath.Join(store, "instances/*/pip/u/mine"))
				must(t, err)
				return found
			}
			if found := uppers(); len(found) != 1 {
				t.Errorf("while it lives: %q", found)
			}
			must(t, os.WriteFile(filepath.Join(dir, "end"), nil, 0o600))
			for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
				if uppers(); left(t, store) == "0 leases 0 instances 0 trash" {
					break
				}
				if time.Now().After(end) {
					t.Fatal("left:", left(t, store))
				}
			}
		})
	}
}

// With a process namespace of its own a container leaves no process: what it started has ended with
// its first one, and release need not ask the kernel, nor leave a line in its log.
func TestMountReleaseOfAProcessNamespace(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	store := filepath.Join(t.TempDir(), "store")
	publish(t, store, nil)
	s, err := snapshot.Open(store)
	must(t, err)
	for _, own := range []bool{true, false} {
		namespaces := uintptr(syscall.CLONE_NEWNS)
		if own {
			namespaces |= syscall.CLONE_NEWPID
		}
		f := startIn(t, store, "c1", 0, namespaces)
		if status, stderr := f.attach("--required"); status != 0 {
			t.Fatalf("attach: exit %d, %q", status, stderr)
		}
		l, err := s.Lease(f.holder())
		if must(t, err); l.Alone != own {
			t.Errorf("process namespace of its own %v: the lease says %v", own, l.Alone)
		}
		f.sh(`cd $R/home/a/.cache/pip && { while sleep 0.05; do [ -e ` + f.bundle + `/end ] || ! [ -d ` + f.bundle + ` ] && exit; done & }`)
		f.stop()
		status, stderr := f.poststop()
		if status != 0 || strings.Contains(stderr, "still uses its instance") == own {
			t.Errorf("process namespace of its own %v: exit %d, %q", own, status, stderr)
		}
		must(t, os.WriteFile(filepath.Join(f.bundle, "end"), nil, 0o600))
		// Its trash has 25 ms, which a busy host may take for something else.
		if got := left(t, store); own && !strings.HasPrefix(got, "0 leases 0 instances ") {
			t.Errorf("left: %s", got)
		}
	}
}
