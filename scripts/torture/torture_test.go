//go:build linux && amd64

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// A small sample of every campaign, the same each time: make torture plays more, and others.
func TestMountTorture(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("needs root")
	}
	bin := t.TempDir() + "/"
	build := exec.Command("go", "build", "-tags", "urfave_cli_no_docs", "-trimpath", "-ldflags", "-s -w", "-o", bin,
		"larder/cmd/larder", "larder/cmd/larder-hook", "larder/scripts/torture", "larder/scripts/torture/inject", "larder/scripts/torture/logdisk")
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
