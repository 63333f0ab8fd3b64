//go:build linux

package oci

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"larder/overlay/overlaytest"
)

// A mount point beside another one is found and made, but through no link of the container's.
func TestMountBeside(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	canary := t.TempDir()
	const project, below = "/srv/app", "p/a/mod"
	for _, tc := range []struct{ name, setup, path, want string }{
		{"made", "", below, ""},
		{"there", "mkdir $R/srv/app/p/a/mod", below, ""},
		{"the project behind a link", "mv $R/srv/app $R/srv/real; ln -s real $R/srv/app", below, ""},
		{"none", "rmdir $R/srv/app/p/a", below, "nothing"},
		{"none on the way", "rm -r $R/srv/app/p", below, "nothing"},
		{"linked", "mv $R/srv/app/p/a $R/srv/app/a; ln -s ../a $R/srv/app/p/a", below, "symbolic link, or lies behind one"},
		{"linked to the host", "rmdir $R/srv/app/p/a; ln -s " + canary + " $R/srv/app/p/a", below, "symbolic link, or lies behind one"},
		{"linked on the way", "mv $R/srv/app/p $R/srv/p; ln -s /srv/p $R/srv/app/p", below, "symbolic link, or lies behind one"},
		{"magic link", "mount --rbind /proc $R/proc; rmdir $R/srv/app/p/a; ln -s /proc/self/root $R/srv/app/p/a", below, "symbolic link, or lies behind one"},
		{"linked itself", "mkdir $R/srv/mod; ln -s /srv/mod $R/srv/app/p/a/mod", below, "symbolic link, or lies behind one"},
		{"linked to nothing", "ln -s /srv/mod $R/srv/app/p/a/mod", below, "dangling link"},
		{"file", "echo >$R/srv/app/p/a/mod", below, "not a directory"},
		{"below a file", "rmdir $R/srv/app/p/a; echo >$R/srv/app/p/a", below, "is no directory"},
		{"out of the project", "mkdir $R/srv/b", "../b/mod", "invalid cross-device link"},
		{"volume on it", "mkdir $R/srv/app/p/a/mod; mount -t tmpfs vol $R/srv/app/p/a/mod", below, "has a volume on it"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			rootfs := root(t, 0)
			must(t, os.MkdirAll(rootfs+project+"/p/a", 0o755))
			c := enter(t, start(t, rootfs, tc.setup, false))
			before := tree(t, canary) + tree(t, rootfs)
			p, err := c.Beside(project, tc.path, PointOptions{Make: true})
			switch {
			case tc.want == "nothing":
				if p != nil || err != nil {
					t.Errorf("%+v, %v", p, err)
				}
			case tc.want != "":
				if p != nil || !errors.Is(err, ErrPoint) || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
					t.Errorf("error %v, want one line with %q", err, tc.want)
				}
			case err != nil || p.Path != "/srv/real/p/a/mod" && p.Path != project+"/"+below || p.Below != nil:
				t.Fatalf("%+v, %v", p, err)
			default:
				p.Abandon()
			}
			if after := tree(t, canary) + tree(t, rootfs); after != before {
				t.Errorf("left behind:\n%s\nwas:\n%s", after, before)
			}
		})
	}
}

// Whatever is exchanged meanwhile, it is where it was asked for.
func TestMountBesideRace(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	rootfs := root(t, 0)
	must(t, os.MkdirAll(rootfs+"/srv/app/a", 0o755))
	must(t, os.MkdirAll(rootfs+"/srv/other", 0o755))
	must(t, os.Symlink("/srv/other", rootfs+"/srv/app/b"))
	c := enter(t, start(t, rootfs, "", false))
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
			}
			_ = unix.Renameat2(unix.AT_FDCWD, rootfs+"/srv/app/a", unix.AT_FDCWD, rootfs+"/srv/app/b", unix.RENAME_EXCHANGE)
		}
	}()
	got, refused := 0, 0
	for end := time.Now().Add(time.Second); time.Now().Before(end); {
		p, err := c.Beside("/srv/app", "a/mod", PointOptions{Make: true})
		if err != nil {
			refused++
			continue
		}
		got++
		if p.Path != "/srv/app/a/mod" && p.Path != "/srv/app/b/mod" { // as it was renamed since
			t.Errorf("resolved to %q", p.Path)
		}
		p.Abandon()
	}
	close(stop)
	<-done
	if left := tree(t, rootfs+"/srv/other"); strings.Contains(left, "mod") {
		t.Errorf("left behind: %s", left)
	}
	t.Logf("%d resolved, %d refused", got, refused)
	if got == 0 || refused == 0 {
		t.Error("the race was not run both ways")
	}
}
