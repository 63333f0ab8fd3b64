//go:build linux

package overlay_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"larder/overlay"
	"larder/overlay/overlaytest"
)

var lowerCounts = []int{1, 10, 50, 100, 200, 500}

// BenchmarkAttach makes a view and throws it away: on a kept tree; on a tree
// made for it, image and all; and with the bare calls in a loop, on the kept
// tree, which is as fast as it can be. Nothing is attached to any mount table:
// the detached mount is closed. Making the instance is not counted.
//
//	go test ./overlay -run '^$' -bench Attach -benchtime 100x
func BenchmarkAttach(b *testing.B) {
	if os.Geteuid() != 0 {
		b.Skip("needs root")
	}
	files := map[string]string{}
	for n := range 500 {
		for f := range 20 {
			files[fmt.Sprintf("l/%012x/lib/python3.11/site-packages/p%03d/f%02d.py", n, n, f)] = "x"
		}
		files[fmt.Sprintf("e/000000000000/lib/python3.11/site-packages/p%03d/f.py", n)] = "x"
	}
	s := overlaytest.New(b, b.TempDir(), files)
	image, err := overlay.Chosen().OpenImage(s.Image, overlay.BackedByLoop)
	must(b, err)
	defer image.Close()
	kept, err := overlay.Chosen().OpenTree(image, s.Objects, overlay.Owner{})
	must(b, err)
	defer kept.Close()
	fresh := func(b *testing.B, _ *os.File, lowers []string, dir string) *os.File {
		image, err := overlay.Chosen().OpenImage(s.Image, overlay.AnyBacking)
		must(b, err)
		defer image.Close()
		tree, err := overlay.Chosen().OpenTree(image, s.Objects, overlay.Owner{})
		must(b, err)
		defer tree.Close()
		return viewOnTree(b, tree, lowers, dir)
	}
	for _, n := range lowerCounts {
		lowers := make([]string, n)
		for i := range lowers {
			lowers[i] = fmt.Sprintf("l/%012x", i)
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) { benchViews(b, kept, lowers, fresh) })
	}
	b.Run("merged", func(b *testing.B) { benchViews(b, kept, []string{"e/000000000000"}, fresh) })
}

// benchViews makes the same view three ways in turn, so that whatever else the
// machine does happens to all of them, and reports the lower decile of each in
// microseconds: the machines this runs on are noisy upwards only.
func benchViews(b *testing.B, tree *os.File, lowers []string, fresh func(*testing.B, *os.File, []string, string) *os.File) {
	base := b.TempDir()
	ways := []struct {
		name string
		view func(*testing.B, *os.File, []string, string) *os.File
		took []time.Duration
	}{{name: "bare", view: bareCalls}, {name: "kept", view: viewOnTree}, {name: "fresh", view: fresh}}
	for n := 0; b.Loop(); n++ {
		for i := range ways {
			w := &ways[i]
			dir := filepath.Join(base, fmt.Sprintf("%s-%d", w.name, n))
			for _, d := range []string{dir, dir + "/u", dir + "/w"} {
				must(b, os.Mkdir(d, 0o755))
			}
			start := time.Now()
			m := w.view(b, tree, lowers, dir)
			w.took = append(w.took, time.Since(start))
			m.Close()
		}
	}
	decile := map[string]float64{}
	for _, w := range ways {
		slices.Sort(w.took)
		decile[w.name] = float64(w.took[len(w.took)/10].Nanoseconds()) / 1000
		b.ReportMetric(decile[w.name], w.name+"-µs")
	}
	b.ReportMetric(decile["kept"]/decile["bare"], "kept/bare")
	b.ReportMetric(0, "ns/op") // of all three together: says nothing
}

func viewOnTree(b *testing.B, tree *os.File, lowers []string, dir string) *os.File {
	// As an attach does it: a clone of the kept tree first.
	clone, err := overlay.Chosen().Clone(tree)
	must(b, err)
	defer clone.Close()
	m, err := overlay.Chosen().NewView(overlay.View{Tree: clone, Lowers: lowers, Instance: dir, Source: "larder:bench"})
	must(b, err)
	return m
}

// bareCalls are the kernel's calls for one view and nothing else: no checks, no
// clones, no errors handled.
func bareCalls(b *testing.B, tree *os.File, lowers []string, dir string) *os.File {
	fs, _ := unix.Fsopen("overlay", 0)
	_ = unix.FsconfigSetString(fs, "source", "bench")
	root := int(tree.Fd())
	for _, l := range lowers {
		fd, _ := unix.Openat(root, l, unix.O_PATH|unix.O_DIRECTORY, 0)
		_ = unix.FsconfigSetFd(fs, "lowerdir+", fd)
		_ = unix.Close(fd)
	}
	u, _ := unix.Open(dir+"/u", unix.O_PATH|unix.O_DIRECTORY, 0)
	w, _ := unix.Open(dir+"/w", unix.O_PATH|unix.O_DIRECTORY, 0)
	_ = unix.FsconfigSetFd(fs, "upperdir", u)
	_ = unix.FsconfigSetFd(fs, "workdir", w)
	_ = unix.FsconfigSetString(fs, "redirect_dir", "nofollow")
	_ = unix.FsconfigSetString(fs, "metacopy", "off")
	_ = unix.FsconfigSetString(fs, "index", "on")
	_ = unix.FsconfigCreate(fs)
	m, err := unix.Fsmount(fs, 0, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV)
	must(b, err)
	for _, fd := range []int{fs, u, w} {
		_ = unix.Close(fd)
	}
	return os.NewFile(uintptr(m), "bench")
}

// BenchmarkShow is what the read-only view costs, where the pool has to be hidden and where not.
func BenchmarkShow(b *testing.B) {
	if os.Geteuid() != 0 {
		b.Skip("needs root")
	}
	tree := openTree(b, overlaytest.New(b, b.TempDir(), small), overlay.BackedByLoop, 0, 0)
	for b.Loop() {
		m, err := overlay.Chosen().Show(tree, "")
		must(b, err)
		m.Close()
	}
}
