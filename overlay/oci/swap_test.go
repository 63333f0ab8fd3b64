//go:build linux

package oci

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"larder/overlay"
	"larder/overlay/overlaytest"
)

// Directories on the way to a mount point, in the container's root and in a volume that another
// container has too, are exchanged for links while mounts are attached: none lands outside of the
// two places, and nothing is made there. LARDER_SWAPS says how many attaches are tried; make swaps
// tries 200,000.
func TestMountSwaps(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	tries := 5000
	if n, err := strconv.Atoi(os.Getenv("LARDER_SWAPS")); err == nil {
		tries = n
	}
	dir := t.TempDir()
	canary, volume := filepath.Join(dir, "canary"), filepath.Join(dir, "volume")
	must(t, os.MkdirAll(canary+"/.cache/pip", 0o755))
	must(t, os.MkdirAll(volume+"/a/.cache/pip", 0o755))
	rootfs := root(t, 0)
	for _, d := range []string{"/home/a/.cache/pip", "/vol"} {
		must(t, os.MkdirAll(rootfs+d, 0o755))
	}
	for _, where := range []string{rootfs + "/home", volume} {
		must(t, os.Mkdir(where+"/plain", 0o755))
		for name, to := range map[string]string{"host": canary, "up": "../../../../../.." + canary, "etc": "/etc", "proc": "/proc", "magic": "/proc/1/root" + canary, "loop": "loop"} {
			must(t, os.Symlink(to, filepath.Join(where, name)))
		}
	}
	f := start(t, rootfs, "mount --rbind /proc $R/proc; mount --bind "+volume+" $R/vol", false)
	before := tree(t, canary)
	table, err := os.ReadFile("/proc/self/mountinfo")
	must(t, err)

	stop := make(chan struct{})
	var racers sync.WaitGroup
	for _, where := range []string{rootfs + "/home", volume} {
		racers.Go(func() {
			names := []string{"plain", "host", "up", "etc", "proc", "magic", "loop"}
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				_ = unix.Renameat2(unix.AT_FDCWD, where+"/a", unix.AT_FDCWD, filepath.Join(where, names[i/2%len(names)]), unix.RENAME_EXCHANGE) // there and back
			}
		})
	}
	landed, refused := 0, map[string]int{}
	must(t, overlay.OnThread(func() error {
		for landed+sum(refused) < tries {
			c, err := EnterHere(f.pid, f.rootfs)
			if err != nil {
				return err
			}
			for range 100 {
				why, err := c.tryAttach(t, landed%2 == 0)
				if err != nil {
					return err
				}
				if why == "" {
					landed++
				} else {
					refused[why]++
				}
			}
			c.Close()
		}
		return nil
	}))
	close(stop)
	racers.Wait()
	if after := tree(t, canary); after != before {
		t.Errorf("made outside:\n%s\nwas:\n%s", after, before)
	}
	if now, err := os.ReadFile("/proc/self/mountinfo"); err != nil || string(now) != string(table) {
		t.Errorf("the host's mounts, %v:\n%s\nwere:\n%s", err, now, table)
	}
	t.Logf("%d tried: %d landed in the container, none elsewhere; refused: %v", landed+sum(refused), landed, refused)
	if landed < tries/100 || sum(refused) < tries/100 {
		t.Error("the race was not run both ways")
	}
}

// tryAttach attaches one mount in the root or in the volume, looks where it is, and takes it away.
// It returns why it was refused.
func (c *Container) tryAttach(t *testing.T, volume bool) (why string, err error) {
	want := "/home/a/.cache/pip"
	if volume {
		want = "/vol/a/.cache/pip"
	}
	p, err := c.Point(want, PointOptions{Make: true, Cover: true})
	if err != nil {
		if !errors.Is(err, ErrPoint) {
			t.Errorf("refused: %v", err)
		}
		_, why, _ = strings.Cut(err.Error(), want)
		return why[:min(len(why), 50)], nil
	}
	defer p.Abandon()
	fd, err := unix.Fsopen("tmpfs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	if err := errors.Join(unix.FsconfigSetString(fd, "source", "larder:swap"), unix.FsconfigCreate(fd)); err != nil {
		return "", err
	}
	made, err := unix.Fsmount(fd, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_NOSUID)
	if err != nil {
		return "", err
	}
	m := os.NewFile(uintptr(made), "mount")
	defer m.Close()
	if err := c.Attach([]Mount{{m, p}}); err != nil {
		return "attach: " + errors.Unwrap(err).Error(), nil
	}
	return "", c.inside(func() error {
		table, err := c.readMounts()
		found := 0
		for _, m := range table {
			if m.Source != "larder:swap" {
				continue
			}
			found++
			if at := m.Mountpoint; !strings.HasPrefix(at, c.rootPath+"/") || checkResolved(want, c.inRoot(at)) != nil {
				t.Errorf("a mount for %s is at %s", want, at)
			}
		}
		if found != 1 {
			t.Errorf("%d mounts of one attach", found)
		}
		detach(m)
		return err
	})
}

func sum(counts map[string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}
