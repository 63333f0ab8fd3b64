package pypi

import (
	"errors"
	"testing"

	"larder/snapshot"
)

func TestDetails(t *testing.T) {
	want := Target{Python: "3.11.2", Markers: map[string]string{"os_name": "posix"}}
	row := want.Row("cp311-x", "aa")
	if got, err := TargetOf(row); err != nil || got.Python != want.Python || got.Markers["os_name"] != "posix" || row.Installer != "aa" {
		t.Errorf("%+v, %v", got, err)
	}
	w := Wheel{RequiresPython: ">=3.8,<4", Metadata: true, MetadataSHA256: snapshot.Sum([]byte("m"))}
	a := snapshot.ManifestArtifact{Ecosystem: Name, Detail: w.Detail()}
	if got, err := WheelOf(a); err != nil || got != w {
		t.Errorf("%+v, %v", got, err)
	}
	if d := (Wheel{}).Detail(); d != nil {
		t.Errorf("of a wheel without: %s", d)
	}
	if got, err := WheelOf(snapshot.ManifestArtifact{Ecosystem: Name}); err != nil || got != (Wheel{}) {
		t.Errorf("none: %+v, %v", got, err)
	}
	for _, a := range []snapshot.ManifestArtifact{{Ecosystem: "npm", Detail: w.Detail()}, {Ecosystem: Name, Detail: []byte("[]")}, {Ecosystem: Name, Detail: []byte("{")}} {
		if _, err := WheelOf(a); !errors.Is(err, snapshot.ErrDamaged) {
			t.Errorf("%s of %s: %v", a.Detail, a.Ecosystem, err)
		}
	}
	if got := Ecosystem.Describe(row.Detail); got != "Python 3.11.2" {
		t.Error(got)
	}
	if got := Ecosystem.Describe(a.Detail); got != "requires Python >=3.8,<4" {
		t.Error(got)
	}
	if got := Ecosystem.Describe([]byte("[1]")); got != "" {
		t.Error(got)
	}
}

func TestIsLock(t *testing.T) {
	for name, want := range map[string]bool{
		"pylock.toml": true, "dir/pylock.dev.toml": true, "uv.lock": true, "/a/poetry.lock": true, "requirements.txt": true, "requirements-dev.txt": true, "dev-requirements.txt": true,
		"toy.lock": false, "uv.lock/x": false, "package-lock.json": false, "pyproject.toml": false, "app.lock": false, "notes.txt": false,
	} {
		if Ecosystem.Locks.IsLock(name) != want {
			t.Errorf("IsLock(%q) is not %v", name, want)
		}
	}
}
