package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"larder/cmd/internal/config"
	"larder/snapshot"
)

func TestSourcesOf(t *testing.T) {
	for _, test := range []struct {
		sdists      snapshot.Built
		allow, deny []string
		want        map[string]snapshot.Built
	}{
		{snapshot.NoBuilt, []string{"a"}, nil, nil},
		{snapshot.PureBuilt, nil, nil, map[string]snapshot.Built{"a": snapshot.PureBuilt}},
		{snapshot.PureBuilt, []string{"A.b"}, nil, map[string]snapshot.Built{"a-b": snapshot.PureBuilt, "c": snapshot.NoBuilt}},
		{snapshot.PureBuilt, nil, []string{"acme-*"}, map[string]snapshot.Built{"acme-x": snapshot.NoBuilt, "c": snapshot.PureBuilt}},
		{snapshot.AllBuilt, []string{"psycopg*"}, []string{"psycopg3"}, map[string]snapshot.Built{"psycopg2": snapshot.AllBuilt, "psycopg3": snapshot.NoBuilt, "c": snapshot.PureBuilt}},
	} {
		may := sourcesOf(config.Build{Sdists: test.sdists, SdistsAllow: test.allow, SdistsDeny: test.deny})
		if (may == nil) != (test.want == nil) {
			t.Errorf("%+v: %v", test, may != nil)
		}
		for project, want := range test.want {
			if got := may(project); got != want {
				t.Errorf("%+v: %s: %v", test, project, got)
			}
		}
	}
}

func TestBuildRoot(t *testing.T) {
	dir := t.TempDir()
	all := config.Build{Sdists: snapshot.AllBuilt, SdistsRoot: dir}
	err := checkBuildRoot(all)
	if err == nil || exitCode(err) != 2 || !strings.Contains(err.Error(), "no root file system") || !strings.Contains(hintOf(err), "debootstrap") {
		t.Errorf("%v", err)
	}
	if err := checkBuildRoot(config.Build{Sdists: snapshot.PureBuilt, SdistsRoot: dir}); err != nil {
		t.Errorf("where nothing is built in it: %v", err)
	}
	if err := os.Mkdir(filepath.Join(dir, "usr"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := checkBuildRoot(all); err != nil {
		t.Error(err)
	}
}
