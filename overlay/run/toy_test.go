//go:build linux

package run_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"larder/overlay/attach"
	"larder/overlay/overlaytest"
	"larder/snapshot"
	"larder/snapshot/ecosystem"
)

// toys is an ecosystem whose locks are lines of text and whose environments are private directories.
type toys struct{}

func (toys) Noun() string                                       { return "toy box" }
func (toys) IsLock(path string) bool                            { return strings.HasSuffix(path, ".toys") }
func (toys) Usual(string, func(string) string) []string         { return nil }
func (toys) String() string                                     { return "toys" }
func (toys) Install(string, []snapshot.Pin) []ecosystem.Install { return nil }
func (toys) Mask(*os.File, []string) (func(string) error, error) {
	return nil, nil
}
func (t toys) Open(ecosystem.Files, string) (ecosystem.Environment, error) { return t, nil }
func (toys) NeedsInstaller(*os.File, *snapshot.Requirements) (bool, error) {
	return false, nil
}
func (toys) Targets(all []snapshot.Target, _ map[string]string) (fits []snapshot.Target) {
	for _, t := range all {
		if t.Ecosystem == "toy" {
			fits = append(fits, t)
		}
	}
	return fits
}
func (toys) Make(dir string, _ snapshot.Target, _ string, uid, gid int) (string, error) {
	return "a box", os.WriteFile(filepath.Join(dir, "box"), []byte("box\n"), 0o644)
}
func (toys) Variables(dir string, _ func(string) string) (map[string]string, []string) {
	return map[string]string{"TOYS": dir}, nil
}

func (toys) Read(files ecosystem.Files, locks []string, _ snapshot.Target) (*snapshot.Requirements, error) {
	var r snapshot.Requirements
	for _, path := range locks {
		b, err := files.ReadFile(path, 1<<20)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(b)) {
			name, version, _ := strings.Cut(strings.TrimSpace(line), " ")
			r.Pins = append(r.Pins, snapshot.Pin{Name: name, Version: version, Spellings: []string{version}})
		}
	}
	return &r, nil
}

// Another ecosystem's locks are mounted by the same session, among the targets of others.
func TestMountRunToy(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	row, err := json.Marshal(snapshot.Target{Format: snapshot.ManifestFormat, Ecosystem: "toy", Tag: "any"})
	must(t, err)
	for name, text := range map[string]string{
		"targets/any.json": string(row), "l/00000000000d/duck": "quack\n", "l/00000000000e/train": "toot\n",
		"by-name/any/duck/1 -> ../../../l/00000000000d": "", "by-name/any/train/2 -> ../../../l/00000000000e": "",
	} {
		files[name] = text
		defer delete(files, name)
	}
	w := newWorld(t)
	w.c.Required = true
	lock := filepath.Join(t.TempDir(), "box.toys")
	must(t, os.WriteFile(lock, []byte("duck 1\ntrain 2\nball 3\n"), 0o644))
	var missing []snapshot.Pin
	w.c.Locks = &attach.Locks{Ecosystem: ecosystem.Ecosystem{Locks: toys{}, Environments: toys{}}, Paths: []string{lock}, Files: ecosystem.Host{}, Getenv: os.Getenv,
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
