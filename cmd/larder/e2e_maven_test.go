//go:build linux

package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"larder/builder/maven/maventest"
	mavensettings "larder/builder/maven/settings"
)

// mavens are the releases that are tried beside the host's.
var mavens = []string{"3.9.11", "4.0.0-rc-4"}

// With what a build by the host's Maven asked for, each Maven builds the project online and offline and asks for
// nothing, whatever its repositories are called, and leaves nothing but what it installs. What has been exchanged
// meanwhile, nobody sees.
func TestE2EMaven(t *testing.T) {
	needE2E(t)
	left := maventest.Release{ID: "org.corp:left:1.0", Parent: "org.corp:parent:3", Contents: map[string]string{"Left.class": "left"}, Also: map[string]string{"-linux.jar": "native"}}
	r := maventest.NewRepository(t, left, maventest.Release{ID: "org.corp:parent:3", Packaging: "pom"}, maventest.Release{ID: "org.corp:bom:1", Packaging: "pom"},
		maventest.Release{ID: "com.other:right:1.0", Needs: []string{left.ID}})
	r.Add(maventest.Plugins(t)...)
	home, dir := t.TempDir(), t.TempDir()
	r.Settings(t, filepath.Join(home, ".m2"))
	p := newProgram(t).with("HOME="+home, "MAVEN_OPTS=-Duser.home="+home)
	pom := maventest.Project(t, dir, maventest.Release{ID: "own:own:1", Packaging: "pom", Needs: []string{"com.other:right:1.0", left.ID + ":linux"}, Managed: []string{"org.corp:bom:1"}, Plugins: []string{maventest.Say}, Pinned: maventest.Pins})
	p.must("larder", "build", "--lock", pom)
	r.Requests()
	programs := []string{"mvn"}
	for _, release := range mavens {
		programs = append(programs, filepath.Join(mavenRelease(t, release), "bin/mvn"))
	}
	for _, mvn := range programs {
		got := p.must("sh", "-euc", `cd "$0" && rm -rf target && "$1" run --required -- sh -euc '"$0" --version >&2; "$0" -q -B install; "$0" -q -B -o install; find ~/.m2/repository -type f -newer pom.xml | grep -v "/own/own/"  || echo nothing else' "$2"`, dir, p.bin, mvn)
		if strings.Count(got, "artifacts: 3\n") != 4 || !strings.HasSuffix(got, "nothing else\n") {
			t.Errorf("%s: %s", mvn, got)
		}
		if log := r.Requests(); len(log) > 0 {
			t.Errorf("%s asks for %q", mvn, log)
		}
	}
	// The counter counts: without the view all of it is asked for.
	p.must("sh", "-euc", `cd "$0" && mvn -q -B validate`, dir)
	if log := r.Requests(); len(log) < 10 {
		t.Errorf("without the view: %q", log)
	}
	p.must("larder", "verify", "--full")
}

// What Maven had to download comes back as names, each file of it: a POM alone, a jar, one with a classifier, a plugin. A
// build that nobody gave a ranking stocks it, and then Maven asks for nothing; nor does a second one add a name.
func TestE2EMavenMisses(t *testing.T) {
	needE2E(t)
	left := maventest.Release{ID: "org.corp:left:1.0", Parent: "org.corp:parent:3", Contents: map[string]string{"Left.class": "left"}, Also: map[string]string{"-linux.jar": "native"}}
	r := maventest.NewRepository(t, left, maventest.Release{ID: "org.corp:parent:3", Packaging: "pom"}, maventest.Release{ID: "org.corp:bom:1", Packaging: "pom"},
		maventest.Release{ID: "com.other:right:1.0", Needs: []string{left.ID}}, maventest.Release{ID: "com.other:right:2.0"})
	r.Add(maventest.Plugins(t)...)
	home, small, large := t.TempDir(), t.TempDir(), t.TempDir()
	r.Settings(t, filepath.Join(home, ".m2"))
	p := newProgram(t).with("HOME="+home, "MAVEN_OPTS=-Duser.home="+home)
	pom := maventest.Project(t, small, maventest.Release{ID: "own:small:1", Packaging: "pom", Pinned: maventest.Pins})
	maventest.Project(t, large, maventest.Release{ID: "own:large:1", Packaging: "pom", Needs: []string{"com.other:right:1.0", left.ID + ":linux"}, Managed: []string{"org.corp:bom:1"}, Plugins: []string{maventest.Say}, Pinned: maventest.Pins})
	missed := func() (all []string) {
		t.Helper()
		var ranking struct {
			Entries []struct {
				Project  string
				Versions []struct{ Version, File string }
			}
		}
		if err := json.Unmarshal([]byte(p.must("larder", "rank", "--ecosystem", "maven", "--source", "misses", "--json")), &ranking); err != nil {
			t.Fatal(err)
		}
		for _, e := range ranking.Entries {
			for _, v := range e.Versions {
				all = append(all, e.Project+" "+v.Version+" "+v.File)
			}
		}
		slices.Sort(all)
		return all
	}
	run := func(dir string) {
		t.Helper()
		p.must("sh", "-euc", `cd "$0" && "$1" run --required -- mvn -q -B clean install`, dir, p.bin)
	}
	p.must("larder", "build", "--lock", pom)
	r.Requests()
	run(small)
	if log, names := r.Requests(), missed(); len(log) > 0 || len(names) > 0 {
		t.Errorf("what is stocked: %q, missed %q", log, names)
	}
	run(large)
	fetched := r.Fetched()
	names := missed()
	want := []string{"com.other:right 1.0 right-1.0.jar", "org.corp:bom 1 bom-1.pom", "org.corp:left 1.0 left-1.0-linux.jar", "org.corp:left 1.0 left-1.0.jar", "org.corp:parent 3 parent-3.pom", "org.said:said-maven-plugin 1 said-maven-plugin-1.jar"}
	if !slices.Equal(names, want) || len(fetched) == 0 {
		t.Errorf("missed %q, of %q", names, fetched)
	}
	p.must("larder", "build", "--ecosystem", "maven", "--lock", pom)
	for _, name := range fetched { // and nothing else of those projects
		p.must("larder", "ls", "current:views/maven/"+name)
	}
	if out := p.must("larder", "show", "pkg:maven/com.other/right"); strings.Contains(out, "2.0") {
		t.Error(out)
	}
	r.Requests()
	for range 2 {
		run(large)
	}
	p.must("sh", "-euc", `cd "$0" && "$1" run --required -- mvn -q -B -o clean install`, large, p.bin)
	if log := r.Requests(); len(log) > 0 {
		t.Errorf("what was missed is asked for again: %q", log)
	}
	if again := missed(); !slices.Equal(again, want) {
		t.Errorf("missed %q", again)
	}
	p.must("larder", "verify", "--full")
}

// mavenRelease is the home of a release of Maven's, from the mirror that this host's is configured for. It is kept
// outside of the checkout.
func mavenRelease(t *testing.T, version string) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	name := "apache-maven-" + version
	home := filepath.Join(cache, "larder-test", name)
	if _, err := os.Stat(filepath.Join(home, "bin/mvn")); err == nil {
		return home
	}
	config, err := mavensettings.FromMaven(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.Get(config.Repository + "/org/apache/maven/apache-maven/" + version + "/" + name + "-bin.tar.gz")
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("the configured mirror has no Maven %s", version)
	}
	defer answer.Body.Close()
	temp, err := os.MkdirTemp(filepath.Dir(home), ".maven-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(temp)
	packed, err := os.Create(filepath.Join(temp, "packed"))
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	if _, err := io.Copy(packed, answer.Body); err != nil {
		t.Fatal(err)
	}
	newProgram(t).must("tar", "-C", temp, "-xzf", packed.Name())
	if err := os.Rename(filepath.Join(temp, name), home); err != nil {
		t.Fatal(err)
	}
	return home
}
