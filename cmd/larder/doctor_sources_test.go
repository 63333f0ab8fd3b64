package main

import (
	"slices"
	"testing"

	"larder/snapshot"
	"larder/snapshot/pypi"
)

// doctor --container names what was built from sources among a container's lowers.
func TestDoctorBuiltIn(t *testing.T) {
	digest := func(name string) snapshot.Digest { return snapshot.Sum([]byte(name)) }
	m := &snapshot.Manifest{Environments: []snapshot.ManifestEnvironment{{ID: "00000000000e", Layers: []string{"000000000001", "000000000003"}}}}
	for id, built := range map[string]*snapshot.ManifestBuilt{"000000000001": nil, "000000000002": {Kind: snapshot.Pure}, "000000000003": {Kind: snapshot.Native}} {
		m.Artifacts = append(m.Artifacts, snapshot.ManifestArtifact{Project: "p" + id[11:], Version: "1", SHA256: digest(id), Built: built})
		m.Layers = append(m.Layers, snapshot.ManifestLayer{ID: id, Artifact: digest(id)})
	}
	for _, tc := range []struct{ lowers, want []string }{
		{nil, nil},
		{[]string{"views/wheels", "views/pip", "l/000000000001"}, nil},
		{[]string{"views/wheels", "views/" + pypi.ViewPipBuilt}, []string{"view " + pypi.ViewPipBuilt}},
		{[]string{"l/000000000001", "l/000000000002", "l/000000000002"}, []string{"p2 1 (pure)"}},
		{[]string{"e/00000000000e"}, []string{"p3 1 (native)"}},
		{[]string{"views/000000000002", "e/000000000009"}, nil},
	} {
		got := builtIn(m, snapshot.Attached{Mounts: []snapshot.Mounted{{Lowers: tc.lowers}}})
		if !slices.Equal(got, tc.want) {
			t.Errorf("%q: %q, want %q", tc.lowers, got, tc.want)
		}
	}
}
