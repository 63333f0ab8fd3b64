package npm

import (
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"larder/snapshot"
	"larder/snapshot/ecosystem"
	"larder/snapshot/npm"
)

// files are those of a container.
type files map[string]string

func (f files) ReadFile(path string, _ int64) ([]byte, error) {
	if text, ok := f[path]; ok {
		return []byte(text), nil
	}
	return nil, fs.ErrNotExist
}
func (f files) IsDir(string) bool { return false }
func (f files) Find(path string) (string, fs.FileMode, error) {
	_, err := f.ReadFile(path, 0)
	return path, 0o755, err
}
func (f files) Take(int64) error { return nil }

func TestTargets(t *testing.T) {
	tag := func(libc string) string {
		t, _ := npm.HostTag(libc)
		return t.String()
	}
	all := []snapshot.Target{{Ecosystem: npm.Name, Tag: tag("glibc")}, {Ecosystem: npm.Name, Tag: tag("musl")}, {Ecosystem: npm.Name, Tag: "linux-s390x-glibc"},
		{Ecosystem: npm.Name, Tag: "odd"}, {Ecosystem: "toy", Tag: tag("musl")}}
	for want, f := range map[string][]files{
		"glibc": {{}, {"/usr/bin/ldd": "#! /bin/bash\n# Copyright\n# This file is part of the GNU C Library.\n"}},
		"musl":  {{"/usr/bin/ldd": "#!/bin/sh\nexec /lib/ld-musl-x86_64.so.1 --list \"$@\"\n"}, {"/lib/ld-musl-aarch64.so.1": "ELF"}},
	} {
		for _, files := range f {
			e, err := Environments.Open(files, "/app/node_modules")
			if err != nil {
				t.Fatal(err)
			}
			if got := e.Targets(all, nil); len(got) != 1 || got[0].Tag != tag(want) || got[0].Ecosystem != npm.Name || e.String() != "node_modules on "+tag(want) {
				t.Errorf("%v: %v, %s", files, got, e)
			}
		}
	}
	e := Environments.New(ecosystem.Host{}, os.Getenv)
	if got := e.Targets(all, nil); len(got) != 1 {
		t.Errorf("of this host: %v", got)
	}
	if got := Environments.Usual("/app", os.Getenv); len(got) != 1 || got[0] != "/app/node_modules" || !Environments.Alone() {
		t.Error(got)
	}
}

func TestScripts(t *testing.T) {
	script := func(name string, optional bool) snapshot.Script {
		return snapshot.Script{Name: name, Spec: name + "@1.0.0", Optional: optional}
	}
	run, ok := Environments.Scripts("/app/node_modules", []snapshot.Script{script("a", false), script("b", true), script("@s/c", false), script("a", true), script("b", true)})
	var got []string
	for _, in := range run {
		got = append(got, in.Optional+": "+strings.Join(in.Command, " "))
	}
	const npm = "npm rebuild --prefix /app --no-global --no-ignore-scripts --no-update-notifier -- "
	if want := []string{": " + npm + "a@1.0.0 @s/c@1.0.0", "b: " + npm + "b@1.0.0"}; !ok || !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if run, ok := Environments.Scripts("/app/node_modules", nil); len(run) > 0 || !ok {
		t.Errorf("of none: %v", run)
	}
}
