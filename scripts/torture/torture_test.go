//go:build linux && amd64

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// What is drawn is spread over the groups, and hardly depends on which other cases there are.
func TestDraw(t *testing.T) {
	var cases []testCase
	for _, name := range []string{"a1", "a2", "a3", "a4", "b1", "b2", "c1"} {
		cases = append(cases, testCase{group: name[:1], name: name})
	}
	names := func(cases []testCase) (names []string) {
		for _, c := range cases {
			names = append(names, c.name)
		}
		return names
	}
	whole := names(draw(cases, all, 7))
	if len(whole) != len(cases) || len(slices.Compact(slices.Sorted(slices.Values(whole)))) != len(cases) {
		t.Errorf("all: %q", whole)
	}
	if !slices.Contains(whole[:3], "c1") {
		t.Errorf("the first of each group: %q", whole)
	}
	for i, gone := range cases {
		fewer := names(draw(slices.Delete(slices.Clone(cases), i, i+1), all, 7))
		for _, group := range []string{"a", "b", "c"} {
			in := func(list []string) []string {
				return slices.DeleteFunc(slices.Clone(list), func(n string) bool { return n[:1] != group || n == gone.name })
			}
			if got, want := in(fewer), in(whole); !slices.Equal(got, want) {
				t.Errorf("without %s: %q, not %q", gone.name, got, want)
			}
		}
	}
	if slices.Equal(whole, names(draw(cases, all, 8))) {
		t.Error("another seed draws the same")
	}
}

// A fixed sample: make torture and make soak play more, and others.
// It is the same each time as far as the calls of a command and the writes of a disk are.
var sample = []string{"-jobs", "2", "-kills", "50", "-points", "50", "-times", "20", "-cuts", "20", "-damages", "25", "-sites", "once", "-hosts", "15"}

func TestTortureSample(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("needs root")
	}
	bin := t.TempDir() + "/"
	build := exec.Command("go", "build", "-tags", "urfave_cli_no_docs,failpoint", "-trimpath", "-ldflags", "-s -w", "-o", bin,
		"larder/cmd/larder", "larder/cmd/larder-hook", "larder/scripts/torture")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := exec.CommandContext(t.Context(), filepath.Join(bin, "torture"), append([]string{"-bin", bin}, sample...)...).CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
}

// A shard has its part of the cases whatever another one has found, and together they have all.
func TestShard(t *testing.T) {
	var cases []testCase
	for i := range 1000 {
		cases = append(cases, testCase{name: fmt.Sprintf("gc: killed after 0.%04d of its time", i)})
	}
	var sizes []int
	for n := range 3 {
		sizes = append(sizes, len(shard{n, 3}.part(slices.Clone(cases))))
	}
	if sizes[0]+sizes[1]+sizes[2] != len(cases) || slices.Min(sizes) < 250 {
		t.Errorf("parts of %d cases: %v", len(cases), sizes)
	}
}

// What a bad case says can be pasted into a shell.
func TestAccuse(t *testing.T) {
	got := accuse("site", `gc: EIO at "openat /proc/0/stat" 1`, 7, []string{"exit 0 without a word"})
	want := "BAD site gc: EIO at \"openat /proc/0/stat\" 1: exit 0 without a word\n" +
		`    alone: make torture TORTURE="-sites all -seed 7 -case 'gc: EIO at \"openat /proc/0/stat\" 1'"` + "\n"
	if got != want {
		t.Errorf("%s, not\n%s", got, want)
	}
}

func TestCount(t *testing.T) {
	for text, want := range map[string]count{"0": 0, "30": 30, "all": all, "once": once} {
		var n count
		if err := n.Set(text); err != nil || n != want {
			t.Errorf("%s: %d, %v", text, n, err)
		}
	}
	for _, text := range []string{"", "-1", "some", "1.5"} {
		if new(count).Set(text) == nil {
			t.Errorf("%q is a count", text)
		}
	}
	cases := []testCase{{group: "a", name: "a1"}, {group: "a", name: "a2"}, {group: "b", name: "b1"}}
	if got := draw(cases, once, 1); len(got) != 2 || got[0].group == got[1].group {
		t.Errorf("one of each group: %v", got)
	}
}

// A host's own kept snapshots are there before, under other numbers in each namespace; what a case leaves
// in their place is not.
func TestPlace(t *testing.T) {
	const before = "91 27 254:0 /run/larder/snapshots /run/larder/snapshots rw,relatime shared:1 - ext4 /dev/vda rw\n"
	for line, same := range map[string]bool{
		"151 129 254:0 /run/larder/snapshots /run/larder/snapshots rw,relatime - ext4 /dev/vda rw\n": true,
		"151 129 0:52 /larder/snapshots /run/larder/snapshots rw,relatime - tmpfs torture rw\n":      false,
		"151 129 254:0 /run/larder/snapshots /run/larder/snapshots/x rw,relatime - ext4 /dev/vda rw": false,
	} {
		if (place(line) == place(before)) != same {
			t.Errorf("%q", line)
		}
	}
}
