package builder

import (
	"strings"
	"testing"

	"larder/snapshot"
)

func TestCompare(t *testing.T) {
	m := func(targets string, projects ...string) *snapshot.Manifest {
		m := &snapshot.Manifest{Views: []string{"v"}}
		for _, tag := range strings.Fields(targets) {
			m.Targets = append(m.Targets, snapshot.Target{Tag: tag})
		}
		for _, p := range projects {
			name, version, _ := strings.Cut(p, "==")
			m.Artifacts = append(m.Artifacts, snapshot.ManifestArtifact{Ecosystem: "toy", Project: name, Version: version,
				SHA256: snapshot.Sum([]byte(p)), Size: int64(len(p)), Targets: strings.Fields(targets)})
		}
		return m
	}
	ten := strings.Fields("a==1 b==1 c==1 d==1 e==1 f==1 g==1 h==1 i==1 j==1")
	old := m("one two", ten...)
	old.Environments = []snapshot.ManifestEnvironment{{Name: "x.lock", Target: "one", Lock: "1"}, {Name: "y.lock", Target: "one", Lock: "2"}}
	for name, tc := range map[string]struct {
		now  *snapshot.Manifest
		lost string
		text string
	}{
		"the same but a tenth": {m("one two", ten[1:]...), "the environment of x.lock for one|the environment of y.lock for one", "0 projects added, 0 changed, 1 gone; environments gone: x.lock for one, y.lock for one"},
		"more than a tenth":    {m("one two", ten[2:]...), "2 of 10 projects for one|2 of 10 projects for two", "2 gone"},
		"a target":             {m("one three", ten...), "target two", "targets added: three; targets gone: two"},
		"a version":            {m("one two", append([]string{"a==2", "k==1"}, ten[1:]...)...), "", "1 projects added, 1 changed, 0 gone; environments changed: x.lock for one"},
	} {
		if name != "the same but a tenth" {
			tc.now.Environments = []snapshot.ManifestEnvironment{{Name: "x.lock", Target: "one", Lock: "other"}, {Name: "y.lock", Target: "one", Lock: "2"}}
		}
		c := compare("id", old, tc.now)
		if got := strings.Join(c.Lost, "|"); got != tc.lost || !strings.Contains(c.Text(), tc.text) {
			t.Errorf("%s: lost %q, want %q; %s", name, got, tc.lost, c.Text())
		}
	}
	if c := compare("id", old, old); !c.None() {
		t.Errorf("the same: %+v", c)
	}
	c := compare("", &snapshot.Manifest{}, old)
	if len(c.Lost) != 0 || c.AddedBytes != 40 || c.GoneBytes != 0 || len(c.Targets.Added) != 2 || c.Targets.Gone == nil {
		t.Errorf("the first: %+v", c)
	}
	if c := compare("id", old, m("one two", ten[5:]...)); c.GoneBytes != 20 || c.AddedBytes != 0 {
		t.Errorf("bytes: %+v", c)
	}
	unread := m("one two", "k==1", "k==2", "l==1") // as planned where the index publishes another digest
	for i := range unread.Artifacts {
		unread.Artifacts[i].SHA256 = snapshot.Digest{}
	}
	if c := compare("id", old, unread); c.AddedBytes != 12 {
		t.Errorf("bytes of what no digest is known of: %+v", c)
	}
}
