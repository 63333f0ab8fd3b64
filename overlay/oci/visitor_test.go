//go:build linux

package oci

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"larder/overlay"
	"larder/overlay/overlaytest"
)

// A thread that looks into a container is at home after each look, in a chroot too, and after
// one that fails.
func TestMountEnterHere(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	for _, chroot := range []bool{false, true} {
		t.Run(fmt.Sprint("chroot ", chroot), func(t *testing.T) {
			f := start(t, root(t, 0), ":", false)
			jail := t.TempDir()
			must(t, os.Mkdir(filepath.Join(jail, "proc"), 0o755))
			must(t, unix.Mount("/proc", filepath.Join(jail, "proc"), "", unix.MS_BIND|unix.MS_REC, ""))
			defer func() { must(t, unix.Unmount(filepath.Join(jail, "proc"), unix.MNT_DETACH)) }()
			one, two := tmpfs(t, "larder:one"), tmpfs(t, "larder:two")
			must(t, two.Close())
			err := overlay.OnThread(func() error {
				in := "/"
				if chroot {
					in = jail
				}
				if err := errors.Join(unix.Unshare(unix.CLONE_FS), unix.Chroot(in), unix.Chdir("/")); err != nil {
					return err
				}
				before, err := where()
				if err != nil {
					return err
				}
				c, err := EnterHere(f.pid, f.rootfs)
				if err != nil {
					return err
				}
				defer c.Close()
				p, err := c.Point("/home/a/.cache/pip", PointOptions{Make: true})
				if err != nil {
					return err
				}
				defer p.Close()
				if c.Attach([]Mount{{two, p}}) == nil {
					t.Error("a closed mount was attached")
				}
				if err := c.Attach([]Mount{{one, p}}); err != nil {
					return err
				}
				if m := mounted(t, c); len(m) != 1 {
					t.Errorf("mounted: %q", m)
				}
				if after, err := where(); after != before || err != nil {
					t.Errorf("the thread is in %s, %v; was in %s", after, err, before)
				}
				return nil
			})
			must(t, err)
		})
	}
}

// A process without a mount namespace of its own, or none, leaves the thread where it is, too.
func TestMountEnterHereRefuses(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	f := start(t, root(t, 0), ":", false)
	must(t, overlay.OnThread(func() error {
		if err := errors.Join(unix.Unshare(unix.CLONE_FS), unix.Chdir("/")); err != nil {
			return err
		}
		before, err := where()
		if err != nil {
			return err
		}
		for _, pid := range []int{os.Getpid(), 4194303} {
			if c, err := EnterHere(pid, f.rootfs); !errors.Is(err, ErrContainer) {
				t.Errorf("%d: %v, %v", pid, c, err)
			}
		}
		if c, err := EnterHere(f.pid, f.rootfs+"/none"); !errors.Is(err, ErrContainer) {
			t.Errorf("no root: %v, %v", c, err)
		}
		after, err := where()
		if after != before {
			t.Errorf("the thread is in %s; was in %s", after, before)
		}
		return err
	}))
}

// where is the calling thread's mount namespace, root and working directory.
func where() (string, error) {
	ns, err := os.Readlink("/proc/thread-self/ns/mnt")
	if err != nil {
		return "", err
	}
	var root, cwd unix.Stat_t
	if err := errors.Join(unix.Stat("/", &root), unix.Stat(".", &cwd)); err != nil {
		return "", err
	}
	return fmt.Sprint(ns, " ", root.Dev, ":", root.Ino, " ", cwd.Ino), nil
}
