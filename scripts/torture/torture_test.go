//go:build linux && amd64

package main

import (
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
	all := names(draw(cases, -1, 7))
	if len(all) != len(cases) || len(slices.Compact(slices.Sorted(slices.Values(all)))) != len(cases) {
		t.Errorf("all: %q", all)
	}
	if !slices.Contains(all[:3], "c1") {
		t.Errorf("the first of each group: %q", all)
	}
	for i, gone := range cases {
		fewer := names(draw(slices.Delete(slices.Clone(cases), i, i+1), -1, 7))
		for _, group := range []string{"a", "b", "c"} {
			in := func(list []string) []string {
				return slices.DeleteFunc(slices.Clone(list), func(n string) bool { return n[:1] != group || n == gone.name })
			}
			if got, want := in(fewer), in(all); !slices.Equal(got, want) {
				t.Errorf("without %s: %q, not %q", gone.name, got, want)
			}
		}
	}
	if slices.Equal(all, names(draw(cases, -1, 8))) {
		t.Error("another seed draws the same")
	}
}

// A small sample of every campaign: make torture plays more, and others. It is the same each time
// as far as the calls of a command and the writes of a disk are.
func TestMountTorture(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("needs root")
	}
	bin := t.TempDir() + "/"
	build := exec.Command("go", "build", "-tags", "urfave_cli_no_docs", "-trimpath", "-ldflags", "-s -w", "-o", bin,
		"larder/cmd/larder", "larder/cmd/larder-hook", "larder/scripts/torture")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := exec.CommandContext(t.Context(), filepath.Join(bin, "torture"), "-bin", bin,
		"-kills", "30", "-errnos", "30", "-cuts", "9", "-damages", "35").CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
}
