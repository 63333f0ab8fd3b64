package snapshot

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestTargets(t *testing.T) {
	dir := t.TempDir()
	tree, err := os.Open(dir)
	must(t, err)
	defer tree.Close()
	fd := int(tree.Fd())
	if tags, err := Targets(fd); err != nil || len(tags) != 0 {
		t.Errorf("of a tree without targets: %v, %v", tags, err)
	}
	must(t, os.Mkdir(filepath.Join(dir, "targets"), 0o755))
	for name, row := range map[string]string{
		"cp312-x.json": `{"format":2,"ecosystem":"e","tag":"cp312-x","detail":{"k":"v"},"installer":"aa"}`, "cp311-x.json": `{"format":2,"tag":"cp312-x"}`,
		"old.json": `{"tag":"old"}`, "new.json": `{"format":3,"tag":"new"}`, "cp310-x.json": `{`, "other": "",
	} {
		must(t, os.WriteFile(filepath.Join(dir, "targets", name), []byte(row), 0o644))
	}
	if tags, err := Targets(fd); err != nil || !slices.Equal(tags, []string{"cp310-x", "cp311-x", "cp312-x", "new", "old"}) {
		t.Errorf("targets: %v, %v", tags, err)
	}
	if got, err := ReadTarget(fd, "cp312-x"); err != nil || got.Ecosystem != "e" || string(got.Detail) != `{"k":"v"}` || got.Installer != "aa" {
		t.Errorf("row: %+v, %v", got, err)
	}
	for tag, want := range map[string]error{"cp311-x": ErrDamaged, "cp310-x": ErrDamaged, "old": ErrFormat, "new": ErrFormat, "cp39-x": fs.ErrNotExist, "../targets/cp312-x": fs.ErrNotExist, "": fs.ErrNotExist} {
		if _, err := ReadTarget(fd, tag); !errors.Is(err, want) {
			t.Errorf("ReadTarget(%q): %v, want %v", tag, err, want)
		}
	}
}
