package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/rogpeppe/go-internal/testscript"

	"larder/builder/maven/maventest"
)

// cmdRepository starts a Maven repository of the releases in a file and configures the home directory's Maven for it. Each
// further FILE is a project, written as pom.xml into its DIR: then the repository has the plugins that its build needs, too.
func cmdRepository(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) == 0 || len(args)%2 == 0 {
		ts.Fatalf("usage: repository FILE [FILE DIR]...")
	}
	t := worldOf(ts).t
	var releases []maventest.Release
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &releases))
	r := maventest.NewRepository(t, releases...)
	if len(args) > 1 {
		r.Add(maventest.Plugins(t)...) // compiled by the host's JDK
	}
	for i := 1; i < len(args); i += 2 {
		var p maventest.Release
		ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[i])), &p))
		p.Packaging, p.Plugins, p.Pinned = "pom", []string{maventest.Say}, maventest.Pins
		ts.Check(os.MkdirAll(ts.MkAbs(args[i+1]), 0o755))
		maventest.Project(t, ts.MkAbs(args[i+1]), p)
	}
	worldOf(ts).repository = r
	r.Settings(t, filepath.Join(ts.Getenv("HOME"), ".m2"))
}

// cmdPublish has the repository serve a file as it is, under a path below its root.
func cmdPublish(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: publish FILE PATH")
	}
	worldOf(ts).repository.Put(args[1], []byte(ts.ReadFile(args[0])))
}

// cmdAsked looks at what the repository was asked since the last call: a regular expression matches some request, or
// -count=N of them; none matches with a "!" before it.
func cmdAsked(ts *testscript.TestScript, neg bool, args []string) {
	want := -1
	if len(args) > 0 {
		if _, err := fmt.Sscanf(args[0], "-count=%d", &want); err == nil {
			args = args[1:]
		}
	}
	log := worldOf(ts).repository.Requests()
	if len(args) == 0 {
		return
	}
	found := slices.DeleteFunc(slices.Clone(log), func(line string) bool { return !regexp.MustCompile(args[0]).MatchString(line) })
	switch n := len(found); {
	case neg && n > 0, !neg && n == 0, want >= 0 && n != want:
		ts.Fatalf("asked: %d match: %q", n, log)
	}
}
