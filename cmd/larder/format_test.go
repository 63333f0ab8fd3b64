package main

import (
	"os"
	"path/filepath"
	"testing"

	"larder/snapshot"
	"larder/snapshot/image"
)

// A snapshot of an older format is whole: it is listed, verified, used and collected; what reads its
// manifest names the command that makes it again.
func TestOlderFormat(t *testing.T) {
	s, err := snapshot.Create(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	stage, err := s.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer stage.Close()
	manifest := `{"format":1,"targets":[],"wheels":[],"layers":[],"environments":[],"views":[]}`
	o, err := stage.PutBytes([]byte(manifest), false)
	if err != nil {
		t.Fatal(err)
	}
	tree := image.NewTree()
	if err := tree.File(snapshot.ManifestPath, o, int64(len(manifest)), snapshot.Epoch); err != nil {
		t.Fatal(err)
	}
	old, _, err := stage.Publish(func(w *os.File) error { return tree.Write(w) }, nil)
	if err != nil {
		t.Fatal(err)
	}
	stage.Close()
	new := stock(t, s, "six==1.0")
	says(t, s.Dir(), []string{"ls"}, old.Short(), new.Short())
	says(t, s.Dir(), []string{"verify", "--full"}, "format 1", "hint: larder gc", "no damage")
	says(t, s.Dir(), []string{"use", "previous"}, old.String())
	says(t, s.Dir(), []string{"cat", "current:manifest.json"}, `"wheels"`)
	_, err = larder(t, s.Dir(), "show", "current")
	if exitCode(err) != exitNoStore || hintOf(err) == "" {
		t.Errorf("show: %v, exit %d, hint %q", err, exitCode(err), hintOf(err))
	}
	says(t, s.Dir(), []string{"use", new.String()}, new.String())
	says(t, s.Dir(), []string{"gc", "--keep", "1"}, "removed snapshot "+old.Short())
}
