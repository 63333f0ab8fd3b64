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
		id := publishFile(t, store, "content "+strconv.Itoa(i))
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

// publishFile publishes a snapshot of one file.
func publishFile(t *testing.T, store *snapshot.Store, content string) snapshot.ID {
	t.Helper()
	stage, err := store.Begin(t.Context())
	noError(t, err)
	defer stage.Close()
	o, err := stage.PutBytes([]byte(content), false)
	noError(t, err)
	tree := image.NewTree()
	noError(t, tree.File("file", o, int64(len(content)), snapshot.Epoch))
	id, _, err := stage.Publish(func(f *os.File) error { return tree.Write(f) }, nil)
	noError(t, err)
	return id
}
