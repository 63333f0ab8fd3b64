//go:build linux

package snapshot

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// inside runs the calling test again in a mount namespace of its own, where it may mount, and
// says whether this is that run. The run must say at its end that it took place.
func inside(t *testing.T) bool {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root to mount")
	}
	const marker = "this ran inside"
	if os.Getenv("LARDER_TEST_INSIDE") != "" {
		t.Cleanup(func() { fmt.Println(marker) })
		return true
	}
	cmd := exec.CommandContext(t.Context(), "unshare", "--mount", "--propagation", "private", os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), "LARDER_TEST_INSIDE=1")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), marker) {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

func command(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
}

// disk is a file system in a file.
type disk struct {
	image, dir string
}

func newDisk(t *testing.T, size int64, mkfs ...string) *disk {
	t.Helper()
	d := &disk{image: filepath.Join(t.TempDir(), "disk"), dir: filepath.Join(t.TempDir(), "mnt")}
	f, err := os.Create(d.image)
	must(t, err)
	must(t, f.Truncate(size))
	must(t, f.Close())
	command(t, append(mkfs, d.image)...)
	must(t, os.Mkdir(d.dir, 0o755))
	d.mount(t)
	t.Cleanup(func() { _ = unix.Unmount(d.dir, unix.MNT_DETACH) })
	return d
}

func (d *disk) mount(t *testing.T)   { t.Helper(); command(t, "mount", "-o", "loop", d.image, d.dir) }
func (d *disk) unmount(t *testing.T) { t.Helper(); command(t, "umount", d.dir) }

func free(t *testing.T, dir string) int64 {
	t.Helper()
	var st unix.Statfs_t
	must(t, unix.Statfs(dir, &st))
	return int64(st.Bavail) * st.Bsize
}

// F10, F11, F12: a disk that is really full. The build fails with one line that says how much is
// free, what was published stays, and the next build works.
func TestMountFullDisk(t *testing.T) {
	if !inside(t) {
		return
	}
	for name, mkfs := range map[string][]string{
		"bytes":  {"mkfs.ext4", "-q", "-m", "0"},
		"inodes": {"mkfs.ext4", "-q", "-m", "0", "-N", "400"},
	} {
		d := newDisk(t, 24<<20, mkfs...)
		s, err := OpenOrCreate(filepath.Join(d.dir, "store"))
		must(t, err)
		acked := []ID{publish(t, s, "small")}
		fill := func() error {
			st, err := s.Begin(t.Context())
			must(t, err)
			defer st.Close()
			content := make([]byte, 4<<20)
			if name == "inodes" {
				content = content[:4096]
			}
			for range 2000 {
				rand.Read(content)
				if _, err := st.PutBytes(content, false); err != nil {
					return err
				}
			}
			return nil
		}
		err = fill()
		mustFail(t, err, ErrSpace, "write object")
		if !errors.Is(err, unix.ENOSPC) {
			t.Errorf("%s: %v", name, err)
		}
		if name == "inodes" && !strings.Contains(err.Error(), "no inodes left") || name == "bytes" && !strings.Contains(err.Error(), "free ") {
			t.Errorf("%s: %v", name, err)
		}
		// Less and less room, to fail at every place: whole or not at all.
		failed := 0
		for n := 0; n < 12 && name == "bytes"; n++ {
			ballast := filepath.Join(d.dir, "ballast")
			room := int64(n) * 8 << 10
			b := make([]byte, max(0, free(t, d.dir)-room))
			_ = os.WriteFile(ballast, b, 0o600)
			id, _, err := build(t.Context(), s, fmt.Sprint("one ", n), strings.Repeat(fmt.Sprint(n), 9000), fmt.Sprint("three ", n))
			if err != nil {
				failed++
				if !errors.Is(err, unix.ENOSPC) {
					t.Errorf("with %d bytes: %v", room, err)
				}
			} else {
				acked = append(acked, id)
			}
			must(t, os.Remove(ballast))
			checkStore(t, s.Dir(), acked...)
		}
		if name == "bytes" && (failed == 0 || failed == 12) {
			t.Errorf("%d of 12 failed", failed)
		}
		acked = append(acked, publish(t, s, "after"))
		checkStore(t, s.Dir(), acked...)
		checkTidy(t, s)
	}
}

// F17, F18, F56: read-only, stitched together, not mounted.
func TestMountOddDisks(t *testing.T) {
	if !inside(t) {
		return
	}
	d := newDisk(t, 24<<20, "mkfs.ext4", "-q")
	dir := filepath.Join(d.dir, "store")
	s, err := OpenOrCreate(dir)
	must(t, err)
	id := publish(t, s, "small")

	command(t, "mount", "-o", "remount,ro", d.dir)
	s, err = Open(dir)
	must(t, err)
	if cur, err := s.Current(); err != nil || cur != id {
		t.Error("read-only store cannot be read:", err)
	}
	_, err = s.Begin(t.Context())
	mustFail(t, err, ErrHost, "read-only file system")
	mustFail(t, s.AcquireLease(Lease{Container: "c", Snapshot: id}), ErrHost, "read-only file system")
	_, err = Create(filepath.Join(d.dir, "another"))
	mustFail(t, err, ErrHost, "read-only file system")
	command(t, "mount", "-o", "remount,rw", d.dir)

	for _, name := range []string{stagingName, objectsName, trashName} {
		command(t, "mount", "-t", "tmpfs", "larder-test", filepath.Join(dir, name))
		_, err = s.Begin(t.Context())
		mustFail(t, err, ErrStore, name, "on another file system")
		command(t, "umount", filepath.Join(dir, name))
	}

	// The store's own directory is a mount point, and the disk is gone.
	point := filepath.Join(t.TempDir(), "store")
	must(t, os.Mkdir(point, 0o700))
	command(t, "mount", "--bind", dir, point)
	_, err = OpenOrCreate(point)
	must(t, err)
	command(t, "umount", point)
	_, err = OpenOrCreate(point)
	mustFail(t, err, ErrNoStore, "empty", point)
}

// F05, F06: the power goes off after each step. shutdown stops the file system as a power cut
// would: with logFlush the journal is written and data that was not synced is lost, without it
// both are lost.
func TestMountPowerCut(t *testing.T) {
	if dir := os.Getenv("LARDER_TEST_CUT_STORE"); dir != "" {
		cutPower(t, dir)
		return
	}
	if !inside(t) {
		return
	}
	systems := map[string][]string{"ext4": {"mkfs.ext4", "-q"}}
	if _, err := exec.LookPath("mkfs.xfs"); err == nil {
		systems["xfs"] = []string{"mkfs.xfs", "-q"}
	}
	for fsname, mkfs := range systems {
		d := newDisk(t, 320<<20, mkfs...)
		dir := filepath.Join(d.dir, "store")
		s, err := OpenOrCreate(dir)
		must(t, err)
		acked := []ID{publish(t, s, "old one", "shared")}
		n := 0
		for _, flag := range []string{"1", "2"} {
			for _, step := range append([]string{"staged"}, stepNames()...) {
				n++
				cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMountPowerCut$")
				cmd.Env = append(os.Environ(), "LARDER_TEST_CUT_STORE="+dir, "LARDER_TEST_CUT_AT="+step, "LARDER_TEST_CUT_HOW="+flag,
					fmt.Sprint("LARDER_TEST_CUT_CONTENT=", n))
				out, err := cmd.CombinedOutput()
				if err != nil || !bytes.Contains(out, []byte("cut after "+step)) {
					t.Fatalf("%s: %v\n%s", step, err, out)
				}
				d.unmount(t)
				d.mount(t)
				t.Log(fsname, flag, step)
				checkStore(t, dir, acked...)
				s, err := Open(dir)
				must(t, err)
				// What was not acknowledged can be made again, and then lasts through a cut at once.
				id, _, err := build(context.Background(), s, cutContents(fmt.Sprint(n))...)
				must(t, err)
				acked = append(acked, id)
				must(t, shutdown(dir, 2))
				d.unmount(t)
				d.mount(t)
				checkStore(t, dir, acked...)
			}
		}
	}
}

func stepNames() []string {
	var names []string
	for _, s := range publishSteps {
		names = append(names, s.name)
	}
	return names
}

func cutContents(n string) []string {
	return []string{"wheel " + n, "shared", strings.Repeat("file "+n, 5000), "small " + n}
}

// cutPower is a build whose power goes off.
func cutPower(t *testing.T, dir string) {
	s, err := Open(dir)
	must(t, err)
	var how uint32
	fmt.Sscan(os.Getenv("LARDER_TEST_CUT_HOW"), &how)
	afterStep = func(name string) {
		if name != os.Getenv("LARDER_TEST_CUT_AT") {
			return
		}
		must(t, shutdown(dir, how))
		fmt.Println("cut after", name)
		os.Exit(0)
	}
	build(context.Background(), s, cutContents(os.Getenv("LARDER_TEST_CUT_CONTENT"))...)
}

// shutdown is EXT4_IOC_SHUTDOWN and XFS_IOC_GOINGDOWN, one number: _IOR('X', 125, u32).
func shutdown(dir string, how uint32) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, f.Fd(), 0x8004587d, uintptr(unsafe.Pointer(&how))); e != 0 {
		return fmt.Errorf("shut down: %w", e)
	}
	return nil
}
