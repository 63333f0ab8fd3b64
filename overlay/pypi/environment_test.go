package pypi

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"larder/snapshot"
	"larder/snapshot/pypi"
)

// Of several targets the host's own is mounted, and where there is no telling
// which that is, none.
func TestTargets(t *testing.T) {
	bin := t.TempDir()
	python := func(name string) string {
		path := filepath.Join(bin, name)
		if err := os.WriteFile(path, nil, 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	py311, py312 := python("python3.11"), python("python3.12")
	if err := os.Symlink("python3.12", filepath.Join(bin, "python3")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin)
	here := "_" + machine()
	foreign := map[string]string{"_x86_64": "_aarch64"}[here]
	if foreign == "" {
		foreign = "_x86_64"
	}
	cp310, cp311, cp312 := "cp310-manylinux_2_36"+here, "cp311-manylinux_2_36"+here, "cp312-manylinux_2_36"+here
	musl, other := "cp311-musllinux_1_2"+here, "cp311-manylinux_2_36"+foreign
	for _, c := range []struct {
		name         string
		all          []string
		venv         string // its version
		interpreters map[string]string
		want         []string
	}{
		{"one", []string{cp311}, "", nil, []string{cp311}},
		{"one of another machine", []string{other}, "", nil, []string{other}},
		{"this machine", []string{cp311, other}, "", nil, []string{cp311}},
		{"an interpreter here", []string{cp310, cp311}, "", map[string]string{cp311: py311}, []string{cp311}},
		{"an interpreter that is gone", []string{cp310, cp311}, "", map[string]string{cp310: bin + "/gone", cp311: py311}, []string{cp311}},
		{"python3 of PATH", []string{cp311, cp312}, "", map[string]string{cp311: py311, cp312: py312}, []string{cp312}},
		{"the environment's first", []string{cp311, cp312}, "3.11.2", map[string]string{cp311: py311, cp312: py312}, []string{cp311}},
		{"the environment's, with no interpreter", []string{cp310, cp312}, "3.10.1", map[string]string{cp312: py312}, []string{cp310}},
		{"no telling", []string{cp310, cp311}, "", map[string]string{cp310: py311, cp311: py311}, []string{cp310, cp311}},
		{"no telling, two C libraries", []string{cp311, musl}, "", nil, []string{cp311, musl}},
		{"none", []string{cp311}, "3.9.1", nil, nil},
	} {
		on := &environment{version: c.venv}
		if c.venv != "" {
			on.dir = "/venv"
		}
		all := []snapshot.Target{{Ecosystem: "npm", Tag: cp311}} // another's
		for _, tag := range c.all {
			all = append(all, snapshot.Target{Ecosystem: pypi.Name, Tag: tag})
		}
		var got []string
		for _, t := range on.Targets(all, c.interpreters) {
			got = append(got, t.Tag)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
