//go:build linux

package run_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"larder/builder/toytest"
	"larder/overlay/attach"
	"larder/overlay/overlaytest"
	"larder/snapshot"
	"larder/snapshot/ecosystem"
)

// Another ecosystem's locks are mounted by the same session, among the targets of others.
func TestMountRunToy(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	row, err := json.Marshal(snapshot.Target{Format: snapshot.ManifestFormat, Ecosystem: "toy", Tag: "toy"})
	must(t, err)
	for name, text := range map[string]string{
		"targets/toy.json": string(row), "l/00000000000d/duck": "quack\n", "l/00000000000e/train": "toot\n",
		"by-hash/toy/aa -> ../../l/00000000000d": "", "by-hash/toy/bb -> ../../l/00000000000e": "",
	} {
		files[name] = text
		defer delete(files, name)
	}
	w := newWorld(t)
	w.c.Required = true
	lock := filepath.Join(t.TempDir(), "toy.lock")
	must(t, os.WriteFile(lock, []byte("duck 1 aa\ntrain 2 bb\nball 3 cc\n"), 0o644))
	var missing []snapshot.Pin
	w.c.Locks = &attach.Locks{Ecosystem: toytest.Ecosystem(nil).Ecosystem, Paths: []string{lock}, Files: ecosystem.Host{}, Getenv: os.Getenv,
		Found: func(_ snapshot.Target, _ *snapshot.Requirements, found snapshot.Environment) ([]snapshot.Pin, error) {
			missing = found.Missing
			return nil, nil
		}}
	out, r := w.sh(`cd $TOYS && cat box duck train && echo new > new`)
	if out != "box\nquack\ntoot\n" || r.Status != 0 || len(missing) != 1 || missing[0].Name != "ball" {
		t.Errorf("status %d, output %q, missing %v", r.Status, out, missing)
	}
	if m := r.Mounts[len(r.Mounts)-1]; m.Lowers != 3 || m.UpperFiles != 1 {
		t.Errorf("mount %+v", m)
	}
}
