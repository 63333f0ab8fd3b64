package lock

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"larder/snapshot"
	"larder/snapshot/ecosystem"
	"larder/snapshot/npm"
)

const (
	sumA = "sha512-3a81oZNherrMQXNJriBBMRLm+k6JqX6iCp7u5ktV05ohkpkqJ0/BqDa6PCOj/uu9RU1EI2Q86A4qmslPpUyknw=="
	sumB = "sha1-qZk+NkcGgWq6PiVxeFDCbJzQ2J0="
)

func tag(t testing.TB, text string) npm.Tag {
	t.Helper()
	tag, err := npm.ParseTag(text)
	if err != nil {
		t.Fatal(err)
	}
	return tag
}

// packages is a lock of these, in the words of one that npm has written.
func packages(entries string) string {
	return "{\n  \"name\": \"app\",\n  \"version\": \"1.0.0\",\n  \"lockfileVersion\": 3,\n  \"requires\": true,\n  \"packages\": {\n" + entries + "\n  }\n}\n"
}

// pkg is an entry of a package at a location, with more members.
func pkg(at, more string) string {
	if more != "" {
		more = ", " + more
	}
	return fmt.Sprintf(`"node_modules/%s": {"version": "1.0.0", "integrity": "%s"%s}`, at, sumA, more)
}

// own is an entry of a package in the node_modules of a workspace, and the workspace's.
func own(dir, at, more string) string {
	return fmt.Sprintf(`"%s": {"version": "1.0.0"}, %s`, dir, strings.Replace(pkg(at, more), "node_modules/", dir+"/node_modules/", 1))
}

// workspaces are entries of so many, each with a package of its own.
func workspaces(n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = own(fmt.Sprintf("w/%d", i), "a", "")
	}
	return strings.Join(all, ",")
}

func read(t testing.TB, entries ...string) *snapshot.Requirements {
	t.Helper()
	r, err := Read("package-lock.json", packages(strings.Join(entries, ",")), tag(t, "linux-x64-glibc"))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// places are the paths of a plan's layers, and links its links.
func places(r *snapshot.Requirements) (all []string) {
	for _, p := range r.Places {
		all = append(all, p.Path+" "+r.Pins[p.Pin].Name)
	}
	return all
}

func links(r *snapshot.Requirements) (all []string) {
	for _, f := range r.Own {
		if f.Link != "" {
			all = append(all, f.Path+" -> "+f.Link)
		}
	}
	return all
}

func equal(t *testing.T, what string, got any, want ...string) {
	t.Helper()
	if list, ok := got.([]string); !ok || !(len(list) == 0 && len(want) == 0 || reflect.DeepEqual(list, want)) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func TestPlan(t *testing.T) {
	r := read(t, `"": {"workspaces": ["packages/*"], "dependencies": {"a": "1"}}`,
		pkg("@s/c", `"bin": {"c": "./cli.js"}`),
		pkg("a", `"bin": {"a": "bin\\a.js", "x": "../../etc/x"}, "hasInstallScript": true, "bundleDependencies": ["in"]`),
		pkg("a/node_modules/@s/c", `"bin": "c.js", "name": "other"`),
		pkg("a/node_modules/in", `"inBundle": true, "bin": {"in": "in.js"}, "hasInstallScript": true, "optional": true`),
		pkg("mine", `"inBundle": true`), // the project's own bundleDependencies
		pkg("alias", `"name": "@s/c"`),
		pkg("z", `"bin": {"a": "z.js", "..": "x", "": "y", "z": 1}`),
		`"node_modules/ws": {"resolved": "packages/ws", "link": true}`,
		`"packages/ws": {"version": "1.0.0", "bin": {"ws": "ws.js", "a": "no.js"}}`,
		`"node_modules/git": {"version": "1.0.0", "resolved": "git+ssh://example/x.git#1"}`,
		`"node_modules/here": {"version": "1.0.0", "resolved": "file:x.tgz", "integrity": "`+sumA+`"}`,
		`"node_modules/none": {"version": "1.0.0"}`,
		`"node_modules/old": {"version": "2.0.0", "integrity": "`+sumB+`"}`,
	)
	equal(t, "places", places(r), "@s/c @s+c", "a a", "a/node_modules/@s/c other", "alias @s+c", "mine mine", "old old", "z z")
	equal(t, "links", links(r), ".bin/a -> ../a/bin/a.js", ".bin/c -> ../@s/c/cli.js", ".bin/ws -> ../ws/ws.js", ".bin/x -> ../a/etc/x",
		"a/node_modules/.bin/in -> ../in/in.js", "a/node_modules/.bin/other -> ../@s/c/c.js", "ws -> ../packages/ws")
	equal(t, "left out", r.LeftOut, "node_modules/git (git)", "node_modules/here (file)", "node_modules/none (no integrity)")
	if want := []snapshot.Script{{Name: "a", Spec: "a@1.0.0"}, {Name: "in", Spec: "a@1.0.0", Optional: true}}; !reflect.DeepEqual(r.Scripts, want) || !strings.HasSuffix(r.Unrun(), ": a, in") {
		t.Errorf("scripts %+v, %q", r.Scripts, r.Unrun())
	}
	if len(r.Pins) != 6 { // one of @s+c
		t.Errorf("pins %+v", r.Pins)
	}
	if p := r.Pins[len(r.Pins)-2]; p.Name != "z" || len(p.Digests) != 1 || len(p.Digests[0]) != 128 || p.Version != "1.0.0" || p.File != "package-lock.json" {
		t.Errorf("%+v", p)
	}
	if p := r.Pins[len(r.Pins)-1]; p.Digests[0] != "a9993e364706816aba3e25717850c26c9cd0d89d" {
		t.Errorf("%+v", p)
	}
}

// Workspaces may have a node_modules of their own. What is in the environment for each is mounted by itself.
func TestWorkspaces(t *testing.T) {
	entries := []string{`"": {"workspaces": ["p/*"], "dependencies": {"a": "1"}, "optionalDependencies": {"mac": "1"}}`,
		pkg("a", `"bin": "a.js"`), pkg("shared", ""), pkg("mac", `"optional": true, "os": ["darwin"]`),
		`"node_modules/ws": {"resolved": "p/ws", "link": true}`,
		own("p/ws", "a", `"bin": "a.js", "dependencies": {"shared": "1", "in": "1"}`),
		pkg("in", `"optional": true, "os": ["win32"]`), strings.Replace(pkg("a/node_modules/in", `"bin": "in.js"`), "node_modules", "p/ws/node_modules", 1),
		`"p/ws/node_modules/near": {"resolved": "p/near", "link": true}, "p/near": {"version": "1.0.0", "bin": {"near": "cli.js"}}`,
		`"p/ws/node_modules/@s/far": {"resolved": "../far", "link": true}, "../far": {"version": "1.0.0"}`,
		own("p/ws/deep", "a", ""),
		own("p/none", "mac", `"optional": true, "os": ["darwin"]`),
		`"p/git": {}, "p/git/node_modules/g": {"version": "1.0.0", "resolved": "git+ssh://example/x.git#1"}`,
	}
	r := read(t, entries...)
	equal(t, "mounts", r.Mounts, "node_modules", "p/ws/node_modules", "p/ws/deep/node_modules")
	equal(t, "places", places(r), "0/a a", "0/shared shared", "1/a a", "1/a/node_modules/in in", "2/a a")
	equal(t, "links", links(r), "0/.bin/a -> ../a/a.js", "0/ws -> ../p/ws", "1/.bin/a -> ../a/a.js", "1/.bin/near -> ../near/cli.js",
		"1/@s/far -> ../../../../../far", "1/a/node_modules/.bin/in -> ../in/in.js", "1/near -> ../../near")
	equal(t, "left out", r.LeftOut, "p/git/node_modules/g (git)")
	hidden := ""
	for _, f := range r.Own {
		if f.Path == "0/.package-lock.json" {
			hidden = string(f.Data)
		}
		if r.PartOf(f.Path) != f.Path[:1] {
			t.Errorf("%s is of part %q", f.Path, r.PartOf(f.Path))
		}
	}
	if !strings.Contains(hidden, `"p/ws/node_modules/a/node_modules/in"`) || !strings.Contains(hidden, `"p/ws/deep/node_modules/a"`) || strings.Contains(hidden, "node_modules/mac") {
		t.Errorf("hidden lock: %s", hidden)
	}
	moved, err := Read("package-lock.json", strings.ReplaceAll(packages(strings.Join(entries, ",")), "p/ws/deep", "p/ws/dept"), tag(t, "linux-x64-glibc"))
	if err != nil || moved.Digest == r.Digest {
		t.Errorf("elsewhere it has the same digest: %v", err)
	}
	if r := read(t, workspaces(maxMounts-1)); len(r.Mounts) != maxMounts {
		t.Errorf("%d mounts", len(r.Mounts))
	}
	// What came with a package that is left out is left out, and has no place in another node_modules; nor has a link to nothing.
	r = read(t, pkg("g", `"bundleDependencies": ["in"]`), pkg("g/node_modules/in", `"inBundle": true`), `"p/git": {}`,
		`"p/git/node_modules/g": {"version": "1.0.0", "resolved": "git+ssh://example/x.git#1", "bundleDependencies": ["in"]}`,
		`"p/git/node_modules/g/node_modules/in": {"version": "1.0.0", "inBundle": true, "bin": {"in": "in.js"}, "hasInstallScript": true}`,
		`"p/link": {}, "p/link/node_modules/l": {"resolved": "p/link/node_modules/none", "link": true}`)
	equal(t, "links", links(r))
	equal(t, "mounts", r.Mounts)
	if len(r.Scripts) > 0 {
		t.Errorf("scripts %+v", r.Scripts)
	}
	// Where nothing is left for one of a workspace's own, it is as if there was none.
	if r := read(t, pkg("a", ""), own("p/none", "mac", `"optional": true, "os": ["darwin"]`)); r.Mounts != nil || r.Places[0].Path != "a" {
		t.Errorf("%+v", r)
	}
}

// What a target has no use for goes, with what only that needs, and what lies in it.
func TestOptional(t *testing.T) {
	entries := []string{
		`"": {"dependencies": {"a": "1"}, "optionalDependencies": {"o": "1"}}`,
		pkg("a", `"dependencies": {"shared": "1"}, "optionalDependencies": {"mac": "1", "linux": "1", "musl": "1", "arm": "1"}`),
		pkg("arm", `"optional": true, "cpu": ["arm64"]`),
		pkg("deep", `"optional": true`),
		pkg("linux", `"optional": true, "os": ["linux"], "cpu": ["!arm64"], "libc": ["glibc"]`),
		pkg("mac", `"optional": true, "os": ["darwin"], "dependencies": {"deep": "1", "shared": "1"}`),
		pkg("mac/node_modules/own", `"optional": true`),
		pkg("musl", `"optional": true, "libc": "musl"`),
		pkg("o", `"optional": true, "dependencies": {"win": "1"}`),
		pkg("shared", ""),
		pkg("win", `"optional": true, "os": ["win32"]`),
	}
	r := read(t, entries...)
	equal(t, "places", places(r), "a a", "linux linux", "shared shared")
	hidden := string(r.Own[len(r.Own)-1].Data)
	if strings.Contains(hidden, "mac") && strings.Contains(hidden, "node_modules/mac") || !strings.Contains(hidden, "node_modules/linux") {
		t.Errorf("hidden lock: %s", hidden)
	}
	musl, err := Read("package-lock.json", packages(strings.Join(entries, ",")), tag(t, "linux-arm64-musl"))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "places", places(musl), "a a", "arm arm", "musl musl", "shared shared")
	if musl.Digest == r.Digest || r.Digest != read(t, entries...).Digest {
		t.Error("the digest does not name the plan")
	}
	for list, want := range map[string]bool{
		`["any"]`: true, `[]`: true, `"linux"`: true, `["darwin","linux"]`: true, `["!darwin"]`: true, `["!linux"]`: false, `["!darwin","win32"]`: false, `["any","win32"]`: false, `1`: true,
	} {
		v, err := parse(list)
		if got := inList(v, "linux"); err != nil || got != want {
			t.Errorf("%s: %v, %v", list, got, err)
		}
	}
}

// The hidden lock file is the lock as npm writes it again: its layout, without what is not there.
func TestHidden(t *testing.T) {
	text := "{\n\t\"name\": \"a\\u0041\\n\",\n\t\"lockfileVersion\": 2,\n\t\"requires\": true,\n\t\"packages\": {\n\t\t\"\": {},\n" +
		"\t\t\"node_modules/b\": {\"name\": \"b\", \"version\": \"1.0.0\", \"integrity\": \"" + sumA + "\", \"dev\": true, \"devOptional\": true, \"odd\": 1," +
		" \"license\": {\"type\": \"MIT <x>\"}, \"engines\": {}, \"cpu\": [\"x64\"], \"peer\": false, \"devDependencies\": {\"x\": \"1\"}}\n\t},\n\t\"dependencies\": {\"b\": {}}\n}\n"
	r, err := Read("package-lock.json", text, tag(t, "linux-x64-glibc"))
	if err != nil {
		t.Fatal(err)
	}
	want := "{\n\t\"name\": \"aA\\n\",\n\t\"lockfileVersion\": 3,\n\t\"requires\": true,\n\t\"packages\": {\n" +
		"\t\t\"node_modules/b\": {\n\t\t\t\"version\": \"1.0.0\",\n\t\t\t\"integrity\": \"" + sumA + "\",\n\t\t\t\"dev\": true,\n\t\t\t\"license\": \"MIT <x>\",\n\t\t\t\"cpu\": [\n\t\t\t\t\"x64\"\n\t\t\t]\n\t\t}\n\t}\n}\n"
	if got := string(r.Own[0].Data); got != want || r.Own[0].Path != ".package-lock.json" {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	for text, want := range map[string][2]string{"{}": {"\n", "  "}, "{\r\n    \"": {"\r\n", "    "}, "  {\n\"": {"\n", "  "}, "{\n\t\t\t\t\t\t\t\t\t\t\t\t\"": {"\n", "\t\t\t\t\t\t\t\t\t\t"}} {
		if newline, indent := format(text); newline != want[0] || indent != want[1] {
			t.Errorf("format of %q: %q, %q", text, newline, indent)
		}
	}
}

func TestRefused(t *testing.T) {
	deep := strings.Repeat(`{"a":`, maxDepth+1) + "1" + strings.Repeat("}", maxDepth+1)
	for text, want := range map[string]string{
		"":                                       "not a lock of npm's: not JSON in line 1",
		"[]":                                     "not a lock of npm's: no object",
		"{\n\"a\": 1,}":                          "not a lock of npm's: not JSON in line 2",
		"{} x":                                   "not a lock of npm's: not JSON in line 1",
		deep:                                     "not a lock of npm's: more than 64 levels deep",
		"{}":                                     "a lock of version 1 is not read",
		`{"lockfileVersion": 1, "packages": {}}`: "a lock of version 1 is not read",
		`{"lockfileVersion": 4, "packages": {}}`: "a lock of version 4 is not known",
		`{"lockfileVersion": "3", "packages": 1}`:                                      "a lock of version 3 is not known",
		`{"lockfileVersion": 3}`:                                                       "it has no packages",
		packages(`"node_modules/a": 1`):                                                "packages: node_modules/a is no object",
		packages(pkg("a", "") + "," + pkg("a", "")):                                    "packages: node_modules/a is there twice",
		packages(pkg("../x", "")):                                                      `packages: node_modules/../x: ".." is not a name of a package`,
		packages(pkg("a/../../x", "")):                                                 "packages: node_modules/a/../../x is no location",
		packages(pkg("..", "")):                                                        `packages: node_modules/..: ".." is not a name of a package`,
		packages(pkg(".bin", "")):                                                      `packages: node_modules/.bin: ".bin" is not a name of a package`,
		packages(pkg("a/b", "")):                                                       "packages: node_modules/a/b is no location",
		packages(pkg("a/node_modules", "")):                                            "packages: node_modules/a/node_modules is no location",
		packages(pkg("", "")):                                                          `packages: node_modules/: "" is not a name of a package`,
		packages(`"/etc": {}`):                                                         "packages: /etc is no location",
		packages(`"x/../y": {}`):                                                       "packages: x/../y is no location",
		packages(`"packages/a/node_modules/b": {}`):                                    "packages: packages/a/node_modules/b lies in packages/a, which the lock does not have",
		packages(`"../a": {},"../a/node_modules/b": {}`):                               "packages: ../a/node_modules/b lies in a node_modules outside of the project, and nothing is mounted there",
		packages(`"/a/node_modules/b": {}`):                                            "packages: /a/node_modules/b is no location",
		packages(`"a/../../b/node_modules/b": {}`):                                     "packages: a/../../b/node_modules/b is no location",
		packages(`"a/./b/node_modules/b": {}`):                                         "packages: a/./b/node_modules/b is no location",
		packages(`"a//node_modules/b": {}`):                                            "packages: a//node_modules/b is no location",
		packages(`"a/node_modules": {}`):                                               "packages: a/node_modules is no location",
		packages(`"a/node_modules/b/c/node_modules/d": {}`):                            "packages: a/node_modules/b/c/node_modules/d is no location",
		packages(`"node_modules/b/c/node_modules/d": {}`):                              "packages: node_modules/b/c/node_modules/d is no location",
		packages(`"` + strings.Repeat("x", 256) + `/node_modules/d": {}`):              "packages: " + strings.Repeat("x", 200) + "… is no location",
		packages(workspaces(maxMounts)):                                                "201 directories have a node_modules of their own, and at most 200 are mounted",
		packages(`"node_modules/a": {"link": true, "resolved": "/etc"}`):               "packages: node_modules/a links to /etc, which is no path in or beside the project",
		packages(`"node_modules/a": {"link": true}`):                                   `packages: node_modules/a links to "", which is no path in or beside the project`,
		packages(`"node_modules/a": {"version": "1.0.0", "integrity": "sha512-x"}`):    `packages: node_modules/a: no integrity that counts: "sha512-x"`,
		packages(pkg("a", `"name": "../b"`)):                                           `packages: node_modules/a: "../b" is not a name of a package`,
		packages(`"node_modules/a": {"version": "../1", "integrity": "` + sumA + `"}`): `packages: node_modules/a: "../1" is not a name of a version: not like 1.2.3`,
		packages(`"node_modules/a": {"link": true, "resolved": "a"},` + pkg("a/node_modules/b", "")):   "packages: node_modules/a/node_modules/b lies in a link",
		packages(`"": {"dependencies": {"a": "1"}},` + pkg("a", `"optional": true, "os": ["darwin"]`)): "node_modules/a is not for linux-x64-glibc, and not optional",
		packages(pkg("a", `"os": ["darwin"]`)):                                                         "node_modules/a is not for linux-x64-glibc, and not optional",
	} {
		r, err := Read("package-lock.json", text, tag(t, "linux-x64-glibc"))
		var refusal *Refusal
		if !errors.As(err, &refusal) || !errors.Is(err, ErrRefused) || err.Error() != "package-lock.json: "+want || refusal.Hint() == "" || r != nil {
			t.Errorf("%.100s:\n%v, want\n%s", text, err, want)
		}
	}
}

// A lock of a hundred thousand packages that all hang together is read, or refused, in time.
func TestLarge(t *testing.T) {
	var b strings.Builder
	b.WriteString(`"node_modules/core": {"version": "1.0.0", "integrity": "` + sumA + `", "dependencies": {`)
	const n = 20_000
	for i := range n {
		fmt.Fprintf(&b, `"p%d": "1",`, i)
	}
	b.WriteString(`"core": "1"}}`)
	for i := range n {
		fmt.Fprintf(&b, ",\n"+pkg("p%d", `"optional": true, "os": ["darwin"], "dependencies": {"core": "1", "p%d": "1"}`), i, (i+1)%n)
	}
	_, err := Read("package-lock.json", packages(b.String()), tag(t, "linux-x64-glibc"))
	if err != nil && !errors.Is(err, ErrRefused) {
		t.Error(err)
	}

	// Names that are looked for through hundreds of levels.
	b.Reset()
	for i := range 500_000 {
		fmt.Fprintf(&b, `"x%d":"",`, i)
	}
	deep := strings.Repeat("a/node_modules/", 190) + "a"
	_, err = Read("package-lock.json", packages(pkg(deep, `"dependencies": {`+b.String()+`"a": "1"}`)), tag(t, "linux-x64-glibc"))
	if !errors.Is(err, ErrRefused) {
		t.Error(err)
	}
	for text, want := range map[string]string{
		"[" + strings.Repeat("1,", maxValues) + "1]":                               "more than 1000000 values",
		packages(strings.Repeat(`"node_modules/a": {},`, maxEntries+1) + `"": {}`): "more than 100000 packages",
	} {
		if _, err := Read("package-lock.json", text, tag(t, "linux-x64-glibc")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestLocks(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good, row := file("package-lock.json", "\ufeff"+packages(pkg("a", ""))), tag(t, "linux-x64-glibc").Row()
	if r, err := Locks.Read(ecosystem.Host{}, []string{good}, row); err != nil || len(r.Pins) != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	for want, paths := range map[string][]string{
		"several locks cannot be one node_modules": {good, good},
		"a lock of pnpm, and only npm's are read":  {file("pnpm-lock.yaml", "x")},
		"a lock of yarn, and only npm's are read":  {file("yarn.lock", "x")},
		"not a lock, but what one is made of":      {file("package.json", "{}")},
	} {
		if _, err := Locks.Read(ecosystem.Host{}, paths, row); !errors.Is(err, ErrRefused) || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%v: %v", paths, err)
		}
	}
	if _, err := Locks.Read(ecosystem.Host{}, []string{dir + "/none"}, row); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if _, err := Locks.Read(ecosystem.Host{}, []string{good}, snapshot.Target{Ecosystem: "pypi"}); !errors.Is(err, snapshot.ErrDamaged) {
		t.Error(err)
	}
	for name, want := range map[string]bool{"a/package-lock.json": true, "npm-shrinkwrap.json": true, "pnpm-lock.yaml": true, "yarn.lock": true, "uv.lock": false, ".package-lock.json": false, "package.json": true} {
		if Locks.IsLock(name) != want {
			t.Errorf("IsLock(%s) is not %v", name, want)
		}
	}
}
