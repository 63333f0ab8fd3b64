package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"larder/popularity"
	"larder/popularity/misses"
	"larder/snapshot"
	"larder/snapshot/ecosystem"
)

// rank runs larder rank on its own, with a store and no configuration but those given.
func rank(t *testing.T, store string, args ...string) (string, error) {
	t.Helper()
	config := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(config, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	app := newApp()
	app.Writer = &out
	err := app.RunContext(t.Context(), hoistFlags(app, append([]string{"larder", "--store", store, "--config", config, "rank"}, args...)))
	return out.String(), err
}

func rankingFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ranking")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRank(t *testing.T) {
	absent := filepath.Join(t.TempDir(), "absent")
	file := rankingFile(t, "project,count\nflask,30\nsix,20\nnumpy,10\n")
	out, err := rank(t, absent, "--ranking", file, "--top", "2")
	if want := "# " + file + ": 3 projects\n1  flask  30\n2  six    20\n"; err != nil || out != want {
		t.Errorf("got %q, %v, want %q", out, err, want)
	}
	if _, err := os.Lstat(absent); !errors.Is(err, os.ErrNotExist) {
		t.Error("looking at a ranking made a store")
	}
	out, err = rank(t, absent, "--json", "--ranking", file)
	var got struct {
		Origins  []popularity.Origin
		Entries  []popularity.Entry
		Warnings []popularity.Warning
	}
	if err != nil || json.Unmarshal([]byte(out), &got) != nil || len(got.Entries) != 3 || got.Entries[1].Project != "six" || got.Warnings == nil || len(got.Origins) != 1 {
		t.Errorf("json: %v\n%s", err, out)
	}
	out, err = rank(t, absent)
	if err != nil || strings.Count(out, "\n") != 1001 || !strings.HasPrefix(out, "# starter ranking: 1000 projects, of ") {
		t.Errorf("starter: %v, %.200s", err, out)
	}
}

func TestRankMissesAndExplain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s, err := snapshot.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := misses.Append(s.MissesDir(), misses.Report{Time: time.Now(), Instance: "c1", Misses: []ecosystem.Miss{{Project: "own-thing", Version: "1.2", Kind: ecosystem.Downloaded}}}); err != nil {
		t.Fatal(err)
	}
	// A container that is gone: its upper waits in the trash.
	parked := filepath.Join(dir, "trash", "abc", "pip", "u", "wheels", "built_here-2.0-py3-none-any.whl")
	if err := os.MkdirAll(filepath.Dir(parked), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(parked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := rank(t, dir, "--source", "misses"); err != nil || !strings.HasSuffix(out, "1  built-here  1\n2  own-thing   1\n") {
		t.Errorf("misses: %v\n%s", err, out)
	}
	if err := os.RemoveAll(filepath.Join(dir, "misses", time.Now().UTC().Format(time.DateOnly)+".jsonl")); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "trash", "abc")); err != nil {
		t.Fatal(err)
	}
	if _, err := misses.Append(s.MissesDir(), misses.Report{Time: time.Now(), Instance: "c1", Misses: []ecosystem.Miss{{Project: "own-thing", Version: "1.2", Kind: ecosystem.Downloaded}}}); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(t.TempDir(), "empty")
	if _, err := snapshot.Create(empty); err != nil {
		t.Fatal(err)
	}
	if out, err := rank(t, empty, "--json", "--source", "misses"); err != nil || strings.Contains(out, "null") || !strings.Contains(out, `"entries": []`) {
		t.Errorf("no misses: %v\n%s", err, out)
	}
	file := rankingFile(t, "flask\nsix\n")
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"--source", "misses"}, "1  own-thing  1\n"},
		{[]string{"--source", "rankings", "--ranking", file}, "1  flask\n2  six\n"},
		{[]string{"--ranking", file}, "1  flask\n2  six\n3  own-thing  1\n"},
		{[]string{"--ranking", file, "--explain", "Own_Thing"}, "own-thing is 3 of 3, among the 1000 that a build stocks\n  rank 1 in misses\n  version 1.2\n  not stocked\n"},
		{[]string{"--ranking", file, "--explain", "numpy"}, "numpy is in none of the rankings; to stock it, write include = [\"numpy\"] under [rank] of the configuration\n  not stocked\n"},
		{[]string{"--ranking", file, "--explain", "six", "--top", "1"}, "six is 2 of 3, behind the 1 that a build stocks\n  rank 2 in " + file + "\n  not stocked\n"},
		{[]string{"--show-query"}, "FORMAT JSONEachRow\n"},
	} {
		out, err := rank(t, dir, tc.args...)
		if err != nil || !strings.HasSuffix(out, tc.want) {
			t.Errorf("%q: %v\n%s", tc.args, err, out)
		}
	}
}

func TestRankRefuses(t *testing.T) {
	dir := t.TempDir()
	for _, tc := range []struct {
		args []string
		kind error
		want string
	}{
		{[]string{"--ranking", rankingFile(t, "<html>")}, popularity.ErrRefused, "an HTML or XML page"},
		{[]string{"--ranking", rankingFile(t, "")}, popularity.ErrRefused, "empty"},
		{[]string{"--ranking", filepath.Join(dir, "absent")}, popularity.ErrRefused, "no such file"},
		{[]string{"--top", "0"}, errUsage, "--top 0"},
		{[]string{"--top", "many"}, errUsage, "many"},
		{[]string{"--explain", "../../etc"}, errUsage, "not a project name"},
		{[]string{"--source", "oracle"}, errUsage, "no source"},
		{[]string{"flask"}, errUsage, "no argument"},
	} {
		out, err := rank(t, dir, tc.args...)
		if !errors.Is(err, tc.kind) || !strings.Contains(err.Error(), tc.want) || out != "" {
			t.Errorf("%q: got %v and %q", tc.args, err, out)
		}
	}
}
