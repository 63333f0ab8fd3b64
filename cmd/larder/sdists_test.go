package main

import (
	"testing"

	"larder/cmd/internal/config"
	"larder/snapshot"
)

func TestSourcesOf(t *testing.T) {
	for _, test := range []struct {
		sdists      string
		allow, deny []string
		want        map[string]snapshot.Built
	}{
		{"no", []string{"a"}, nil, nil},
		{"pure", nil, nil, map[string]snapshot.Built{"a": snapshot.PureBuilt}},
		{"pure", []string{"A.b"}, nil, map[string]snapshot.Built{"a-b": snapshot.PureBuilt, "c": snapshot.NoBuilt}},
		{"pure", nil, []string{"acme-*"}, map[string]snapshot.Built{"acme-x": snapshot.NoBuilt, "c": snapshot.PureBuilt}},
		{"all", []string{"psycopg*"}, []string{"psycopg3"}, map[string]snapshot.Built{"psycopg2": snapshot.AllBuilt, "psycopg3": snapshot.NoBuilt, "c": snapshot.PureBuilt}},
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
