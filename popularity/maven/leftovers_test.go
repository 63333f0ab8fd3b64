package maven

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"larder/popularity/misses"
	"larder/snapshot/ecosystem"
	"larder/snapshot/maven"
)

func TestMain(m *testing.M) {
	row := maven.Ecosystem
	row.Leftovers = Leftovers{}
	ecosystem.Register(row)
	os.Exit(m.Run())
}

func write(t *testing.T, root, path, text string) {
	t.Helper()
	path = filepath.Join(root, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func scan(t *testing.T, dir string) (got []string) {
	t.Helper()
	found, err := misses.Scan(t.Context(), dir, misses.Limits{})
	if err != nil || found.Stopped != "" {
		t.Fatal(err, found.Stopped)
	}
	for _, m := range found.Misses {
		got = append(got, m.Ecosystem+" "+m.Kind+" "+m.Project+" "+m.Version+m.Target+" "+m.File)
	}
	return got
}

// head is what Maven writes above the rows.
const head = "#NOTE: This is a Maven Resolver internal implementation file, its format can be changed without prior notice.\n#Sun Nov 22 22:00:00 UTC 2026\n"

// What has a repository in its rows was downloaded; one's own modules were not.
func TestScan(t *testing.T) {
	dir := t.TempDir()
	version := func(path, rows string, files ...string) {
		write(t, dir, path+"/_remote.repositories", head+rows)
		for _, file := range files {
			write(t, dir, path+"/"+file, "text")
		}
	}
	version("junit/junit/4.13.2", "junit-4.13.2.pom>central=\njunit-4.13.2.jar>central=\n", "junit-4.13.2.pom", "junit-4.13.2.jar", "junit-4.13.2.jar.sha1", "junit-4.13.2.pom.lastUpdated")
	version("org/apache/maven/plugins/maven-jar-plugin/3.4.1", "maven-jar-plugin-3.4.1.pom>our.mirror=\r\nmaven-jar-plugin-3.4.1.pom>other=\r\n", "maven-jar-plugin-3.4.1.pom")
	version("org/example/native/1.0+2", "native-1.0+2-linux.jar>m=\nnative-1.0+2.pom>m=\nnative-1.0+2.exe>m=\nnative-1.0+2.jar.asc>m=\n", "native-1.0+2-linux.jar", "native-1.0+2.pom", "native-1.0+2.exe", "native-1.0+2.jar.asc")
	version("org/example/own/1.0", "own-1.0.jar>=\nown-1.0.pom>=\n", "own-1.0.jar", "own-1.0.pom")
	version("org/example/both/1.0", "both-1.0.jar>=\nboth-1.0.pom>m=\n", "both-1.0.jar", "both-1.0.pom")
	version("org/example/gone/1.0", "gone-1.0.jar>m=\n")
	version("org/example/snap/1.0-SNAPSHOT", "snap-1.0-SNAPSHOT.jar>m=\n", "snap-1.0-SNAPSHOT.jar")
	write(t, dir, "org/example/stocked/1.0/stocked-1.0.jar", "jar")
	write(t, dir, "org/example/own/maven-metadata-local.xml", "<metadata/>")
	want := []string{"maven downloaded junit:junit 4.13.2 junit-4.13.2.jar", "maven downloaded org.apache.maven.plugins:maven-jar-plugin 3.4.1 maven-jar-plugin-3.4.1.pom", "maven downloaded org.example:both 1.0 both-1.0.pom",
		"maven downloaded org.example:native 1.0+2 native-1.0+2-linux.jar", "maven downloaded org.example:native 1.0+2 native-1.0+2.exe"}
	if got := scan(t, dir); !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
}

// Whatever an upper holds, nothing is opened but what it should be, and what comes out are names.
func TestScanHostile(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	row := func(stem string) string { return stem + ".jar>m=\n" }
	write(t, outside, "g/a/1/_remote.repositories", row("a-1"))
	write(t, outside, "g/a/1/a-1.jar", "jar")
	for link, to := range map[string]string{"linked": outside + "/g", "x/a/1": outside + "/g/a/1", "y/a/1/_remote.repositories": outside + "/g/a/1/_remote.repositories", "z/circle": "."} {
		path := filepath.Join(dir, link)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, path); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "g/fifo/1"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "g/fifo/1/_remote.repositories"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{
		"_remote.repositories": row("a-1"), "a/_remote.repositories": row("a-1"), "a/1/_remote.repositories": row("a-1"),
		"g/other/1/_remote.repositories": row("another-1"), "g/alike/1/_remote.repositories": row("alike-10"), "g/long/1/_remote.repositories": strings.Repeat("#\n", 40_000) + row("long-1"),
		"g/-e/1/_remote.repositories": row("-e-1"), "g/.cache/1/_remote.repositories": row(".cache-1"), "g.h/dot/1/_remote.repositories": row("dot-1"), "g/a b/1/_remote.repositories": row("a b-1"),
		"g/new\nline/1/_remote.repositories": row("new\nline-1"), "g/\u202eksa/1/_remote.repositories": row("\u202eksa-1"), "g/v/1;2/_remote.repositories": row("v-1;2"),
		"g/" + strings.Repeat("a", 201) + "/1/_remote.repositories": row(strings.Repeat("a", 201) + "-1"),
		strings.Repeat("g/", 15) + "deep/1/_remote.repositories":    row("deep-1"), "g/bin/1/_remote.repositories": "\x00\xff>=\n>m=\n=\n>\n",
		"g/good/1/_remote.repositories": row("good-1"), "g/linked/1/_remote.repositories": row("linked-1"),
	} {
		write(t, dir, path, text)
		// What the rows name is there.
		for line := range strings.Lines(text) {
			if file, _, ok := strings.Cut(line, ">m="); ok && file != "" && !strings.ContainsAny(file, "\x00") {
				write(t, dir, filepath.Join(filepath.Dir(path), file), "jar")
			}
		}
	}
	jar := filepath.Join(dir, "g/linked/1/linked-1.jar")
	if err := errors.Join(os.Remove(jar), os.Symlink(outside+"/g/a/1/a-1.jar", jar)); err != nil {
		t.Fatal(err)
	}
	if got := scan(t, dir); !slices.Equal(got, []string{"maven downloaded g:good 1 good-1.jar"}) {
		t.Errorf("found %q", got)
	}
}

func TestValid(t *testing.T) {
	for _, bad := range []ecosystem.Miss{{Project: "junit", Version: "1"}, {Project: "g:a:b", Version: "1"}, {Project: ":a", Version: "1"}, {Project: "g.:a", Version: "1"}, {Project: "../g:a", Version: "1"},
		{Project: "g:a", Version: ""}, {Project: "g:a", Version: "../1"}, {Project: "g:a", Version: "1-snapshot"}, {Project: strings.Repeat("g.", 100) + "g:a", Version: "1"}} {
		if m, ok := (Leftovers{}).Valid(bad); ok {
			t.Errorf("%+v is valid", m)
		}
	}
	for _, bad := range []string{"../a_b-1.0.jar", "other-1.0.jar", "a_b-1.0", "a_b-1.0.jar\n", "a_b-1.0.jar.sha1"} {
		if m, ok := (Leftovers{}).Valid(ecosystem.Miss{Project: "org.example:a_b", Version: "1.0", File: bad}); !ok || m.File != "" {
			t.Errorf("%+v, %v", m, ok)
		}
	}
	if m, ok := (Leftovers{}).Valid(ecosystem.Miss{Project: "org.example:a_b", Version: "1.0", Target: "jvm", Kind: "missing", File: "a_b-1.0-x.jar"}); !ok || m.Ecosystem != maven.Name || m.Target != "" || m.File == "" {
		t.Errorf("%+v, %v", m, ok)
	}
}
