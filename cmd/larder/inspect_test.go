package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"larder/snapshot"
	"larder/snapshot/gc"
	"larder/snapshot/image"
	"larder/snapshot/pypi"
)

// larder runs one command line on a store and returns what it printed.
func larder(t *testing.T, store string, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	app := newApp()
	app.Writer = &out
	err := app.RunContext(t.Context(), hoistFlags(app, append([]string{"larder", "--store", store}, args...)))
	return out.String(), err
}

// says runs a command that must work, and looks for texts in what it printed.
func says(t *testing.T, store string, args []string, want ...string) string {
	t.Helper()
	out, err := larder(t, store, args...)
	if err != nil {
		t.Errorf("%v: %v", args, err)
	}
	for _, w := range want {
		if !strings.Contains(out, w) {
			t.Errorf("%v does not say %q:\n%s", args, w, out)
		}
	}
	return out
}

// stockedStore has two snapshots: the second has a newer flask, and numpy besides.
func stockedStore(t *testing.T) (s *snapshot.Store, old, current snapshot.ID) {
	t.Helper()
	s, err := snapshot.OpenOrCreate(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	return s, stock(t, s, "flask==3.0.2"), stock(t, s, "flask==3.0.3", "numpy==2.0.1")
}

func stock(t *testing.T, s *snapshot.Store, wheels ...string) snapshot.ID {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	const target = "cp311-manylinux_2_36_x86_64"
	st, err := s.Begin(t.Context())
	check(err)
	defer st.Close()
	tree := image.NewTree()
	put := func(path, content string) snapshot.Object {
		o, err := st.PutBytes([]byte(content), false)
		check(err)
		check(tree.File(path, o, int64(len(content)), snapshot.Epoch))
		return o
	}
	m := &snapshot.Manifest{Views: []string{"simple", "pip"}, Targets: []snapshot.Target{pypi.Target{Python: "3.11.2"}.Row(target, "")}}
	for _, w := range wheels {
		project, version, _ := strings.Cut(w, "==")
		file := fmt.Sprintf("%s-%s-py3-none-any.whl", project, version)
		body := put("views/simple/"+project+"/"+file, "body of "+w)
		layer := snapshot.Sum([]byte(w)).Short()
		put("l/"+layer+"/lib/"+project+".py", "module of "+w)
		put("l/"+layer+"/lib/LICENSE", "the same licence")
		check(tree.Symlink(snapshot.NoBuilt.ByName(target, project, version), snapshot.LinkTarget(snapshot.NoBuilt.ByName(target, project, version), "l/"+layer)))
		m.Artifacts = append(m.Artifacts, snapshot.ManifestArtifact{Ecosystem: pypi.Name, Project: project, Version: version, Filename: file, SHA256: body.Digest, Size: 20,
			Index: "https://index.example/simple", URL: "https://files.example/" + file, Detail: pypi.Wheel{RequiresPython: ">=3.8"}.Detail(), Targets: []string{target}})
		m.Layers = append(m.Layers, snapshot.ManifestLayer{ID: layer, Target: target, Project: project, Version: version, Artifact: body.Digest, Files: 2, Bytes: 40})
	}
	put("views/pip/both", "the same licence") // a view and the layers share these bytes
	b, err := m.Encode()
	check(err)
	put(snapshot.ManifestPath, string(b))
	id, _, err := st.Publish(func(w *os.File) error { return tree.Write(w) }, map[string]string{target: "3.11.2"})
	check(err)
	return id
}

func TestInspect(t *testing.T) {
	s, old, current := stockedStore(t)
	d := s.Dir()

	// Of each snapshot: the body of flask, its module, the manifest, and for the newer one numpy's; both share the licence.
	says(t, d, []string{"ls"}, "SNAPSHOT      NUMBER  PUBLISHED            ARTIFACTS  SIZE", current.Short()+"  2", " 2          ", "  current\n", "  previous\n")
	says(t, d, []string{"ls", "current"}, "manifest.json", "views/", "by-name/")
	says(t, d, []string{"ls", "current:/l/../views/simple/"}, "flask/", "numpy/")
	says(t, d, []string{"ls", "previous:by-name/cp311-manylinux_2_36_x86_64/flask"}, "3.0.2 -> ../../../l/")
	says(t, d, []string{"ls", "current:by-name/cp311-manylinux_2_36_x86_64/flask/3.0.3/lib"}, "flask.py", "LICENSE")
	says(t, d, []string{"cat", "current:views/simple/flask/flask-3.0.3-py3-none-any.whl"}, "body of flask==3.0.3")
	says(t, d, []string{"cat", old.String() + ":by-name/cp311-manylinux_2_36_x86_64/flask/3.0.2/lib/flask.py"}, "module of flask==3.0.2")
	says(t, d, []string{"show", "current"}, current.String(), "number 2, current", "Python 3.11.2", "views pip, simple", "numpy", "2.0.1", "https://index.example/simple")
	says(t, d, []string{"show", "Flask"}, "flask 3.0.3", "from https://files.example/flask-3.0.3", "requires Python >=3.8", "layer l/")
	says(t, d, []string{"show", "numpy==2.0.1"}, "numpy 2.0.1")
	says(t, d, []string{"show", snapshot.Sum([]byte("body of numpy==2.0.1")).String()}, "numpy 2.0.1")
	says(t, d, []string{"diff", "previous", "current"}, "~ flask 3.0.2 -> 3.0.3", "+ numpy 2.0.1", "2 projects differ")
	says(t, d, []string{"diff", "previous", "current"}, "bytes: ", " added, ", " removed, 16 B shared")
	says(t, d, []string{"show", "flask==3.0.2"}, "flask 3.0.2", "in snapshot "+old.Short()+": 3.0.2")
	says(t, d, []string{"show", "flask"}, "in snapshot "+current.Short()+", current: 3.0.3", "in snapshot "+old.Short()+": 3.0.2")
	says(t, d, []string{"show", "current"}, " its own, which gc frees with it, 16 B shared with other snapshots", "held by 0 containers")
	says(t, d, []string{"diff", "current", "previous", "--files"}, "- numpy 2.0.1", "- views/simple/numpy/numpy-2.0.1-py3-none-any.whl")
	says(t, d, []string{"diff", "current", "current"}, "0 projects differ; files: 0 added, 0 removed, 0 changed")
	says(t, d, []string{"du"}, "views/simple", "layers", "only views need", "both need 16 B")
	says(t, d, []string{"verify", "--full"}, "no damage", "every byte of 2 snapshots")
	says(t, d, []string{"use", "previous"}, old.String())
	if cur, _ := s.Current(); cur != old {
		t.Error("use did not switch")
	}
	says(t, d, []string{"use", current.String()[:8]}, current.String())

	// --json is one document with stable names, before and after the command.
	for args, field := range map[string]string{"ls": "snapshots", "ls current": "entries", "show current": "artifacts", "show flask": "artifacts",
		"diff previous current": "files", "du": "only_layers", "verify": "findings", "gc --dry-run": "removed", "use current": "current"} {
		for _, line := range [][]string{append([]string{"--json"}, strings.Fields(args)...), append(strings.Fields(args), "--json")} {
			out, err := larder(t, d, line...)
			var v map[string]any
			if err != nil || json.Unmarshal([]byte(out), &v) != nil || v[field] == nil {
				t.Errorf("%v: no %q: %v %s", line, field, err, out)
			}
		}
	}
}

func TestInspectRefuses(t *testing.T) {
	s, _, _ := stockedStore(t)
	for line, code := range map[string]int{
		"ls nope":                     exitUsage,
		"ls current:nope":             exitUsage,
		"ls current current":          exitUsage,
		"ls ../../etc":                exitUsage,
		"cat current":                 exitUsage,
		"cat current:":                exitUsage,
		"cat current:views":           exitUsage,
		"cat current:nope":            exitUsage,
		"cat current:../../etc/hosts": exitUsage,
		"cat deadbeef:manifest.json":  exitUsage,
		"show":                        exitUsage,
		"show django":                 exitUsage,
		"show flask==9":               exitUsage,
		"show flask==3.0.2 extra":     exitUsage,
		"show flask numpy":            exitUsage,
		"diff current":                exitUsage,
		"diff current nope":           exitUsage,
		"du nope":                     exitUsage,
		"verify nope":                 exitUsage,
		"use":                         exitUsage,
		"use nope":                    exitUsage,
		"gc --keep 0":                 exitUsage,
		"gc --keep -1":                exitUsage,
		"gc --older-than 3":           exitUsage,
		"gc --older-than h":           exitUsage,
		"gc --older-than -3d":         exitUsage,
		"gc now":                      exitUsage,
	} {
		_, err := larder(t, s.Dir(), strings.Fields(line)...)
		if got := exitCode(err); got != code {
			t.Errorf("%s: exit %d, want %d: %v", line, got, code, err)
			continue
		}
		var h interface{ Hint() string }
		if strings.Contains(err.Error(), "\n") || !errors.As(err, &h) || h.Hint() == "" {
			t.Errorf("%s: %v", line, err)
		}
	}
	for _, line := range []string{"ls", "show flask", "cat current:x", "diff a b", "du", "verify", "gc", "use current"} {
		if _, err := larder(t, filepath.Join(t.TempDir(), "none"), strings.Fields(line)...); exitCode(err) != exitNoStore {
			t.Errorf("%s without a store: %v", line, err)
		}
	}
}

func TestInspectEmptyStore(t *testing.T) {
	s, err := snapshot.OpenOrCreate(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	says(t, s.Dir(), []string{"ls"})
	says(t, s.Dir(), []string{"gc"}, "removed 0 objects")
	says(t, s.Dir(), []string{"verify"}, "no damage")
	for _, line := range []string{"show current", "du", "show flask", "use previous"} {
		if _, err := larder(t, s.Dir(), strings.Fields(line)...); exitCode(err) != exitUsage {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func TestInspectDamage(t *testing.T) {
	s, _, _ := stockedStore(t)
	object := snapshot.Object{Digest: snapshot.Sum([]byte("body of flask==3.0.3"))}
	if err := os.Remove(filepath.Join(s.ObjectsDir(), object.Path())); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"verify", "verify --full", "verify current", "verify --json"} {
		out, err := larder(t, s.Dir(), strings.Fields(line)...)
		if exitCode(err) != exitDamage || !strings.Contains(out, object.Digest.String()[2:]) || !strings.Contains(out, "views/simple/flask/") {
			t.Errorf("%s: %v\n%s", line, err, out)
		}
	}
	if _, err := larder(t, s.Dir(), "verify", "previous"); err != nil {
		t.Error("damage of another snapshot:", err)
	}
	if _, err := larder(t, s.Dir(), "cat", "current:views/simple/flask/flask-3.0.3-py3-none-any.whl"); exitCode(err) != exitDamage {
		t.Error("cat of a missing object:", err)
	}
	if err := os.WriteFile(filepath.Join(s.ObjectsDir(), object.Path()), []byte("short"), 0o444); err != nil {
		t.Fatal(err)
	}
	if _, err := larder(t, s.Dir(), "cat", "current:views/simple/flask/flask-3.0.3-py3-none-any.whl"); exitCode(err) != exitDamage {
		t.Error("cat of a short object:", err)
	}
}

func TestGCCommand(t *testing.T) {
	s, old, current := stockedStore(t)
	says(t, s.Dir(), []string{"gc", "--keep", "1", "--dry-run"}, "would remove snapshot "+old.Short(), "kept snapshot "+current.Short()+": current")
	says(t, s.Dir(), []string{"gc", "--keep", "1", "--older-than", "1d"}, "not older than")
	says(t, s.Dir(), []string{"gc"}, "among the newest 3")
	says(t, s.Dir(), []string{"gc", "--keep", "1"}, "removed snapshot "+old.Short())
	if _, err := os.Stat(s.SnapshotDir(old)); err == nil {
		t.Error("it is still there")
	}
	says(t, s.Dir(), []string{"verify", "--full"}, "no damage", "1 snapshot and ")
	if _, err := gc.Run(t.Context(), s, gc.Options{}); !errors.Is(err, gc.ErrOptions) {
		t.Error(err)
	}
}
