package main

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"larder/overlay/overlaytest"
	"larder/snapshot"
	"larder/snapshot/image"
)

// A snapshot that is only kept mounted, and used by nobody, does not stay for ever:
// gc lets go of its mounts first. The current one stays mounted.
func TestMountGCLetsGoOfKeptMounts(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	dir := t.TempDir()
	store, err := snapshot.Create(filepath.Join(dir, "store"))
	if err != nil {
		t.Fatal(err)
	}
	runDir := filepath.Join(dir, "run")
	larder := func(args ...string) int {
		return mainCode(append([]string{"larder", "--store", store.Dir()}, args...))
	}
	var ids []snapshot.ID
	for i := range 2 {
		stage, err := store.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		o, err := stage.PutBytes([]byte("content "+strconv.Itoa(i)), false)
		if err != nil {
			t.Fatal(err)
		}
		tree := image.NewTree()
		if err := tree.File("file", o, 9, snapshot.Epoch); err != nil {
			t.Fatal(err)
		}
		id, _, err := stage.Publish(func(f *os.File) error { return tree.Write(f) }, nil)
		if err != nil {
			t.Fatal(err)
		}
		stage.Close()
		ids = append(ids, id)
		if code := larder("mount", "--run-dir", runDir, id.String()); code != 0 {
			t.Fatalf("mount: exit %d", code)
		}
	}
	if code := larder("gc", "--keep", "1", "--dry-run", "--run-dir", runDir); code != 0 {
		t.Fatalf("gc --dry-run: exit %d", code)
	}
	if _, err := os.Stat(filepath.Join(runDir, "snapshots", ids[0].String(), "tree")); err != nil {
		t.Errorf("a dry run let go of a mount: %v", err)
	}
	if code := larder("gc", "--keep", "1", "--run-dir", runDir); code != 0 {
		t.Fatalf("gc: exit %d", code)
	}
	if _, err := os.Stat(store.SnapshotDir(ids[0])); !os.IsNotExist(err) {
		t.Errorf("the old snapshot is still there: %v", err)
	}
	if _, err := os.Stat(filepath.Join(runDir, "snapshots", ids[1].String(), "tree", "file")); err != nil {
		t.Errorf("the current snapshot is mounted no more: %v", err)
	}
	if code := larder("unmount", "--all", "--run-dir", runDir); code != 0 {
		t.Fatalf("unmount: exit %d", code)
	}
}
