//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"larder/builder/maven/maventest"
	"larder/builder/maven/settings"
)

// mavenOfHost shows a container the host's Maven and Java, read-only, with what their links lead to.
func (w *world) mavenOfHost(s *specs.Spec) {
	w.t.Helper()
	maven, err := settings.FindMaven(w.t.Context(), "")
	must(w.t, err)
	java, err := filepath.Glob("/etc/java*")
	must(w.t, err)
	for _, dir := range append([]string{"/usr", "/bin", "/lib", "/lib64", "/etc/maven", "/etc/alternatives", maven.Home, maven.Java}, java...) {
		source, err := filepath.EvalSymlinks(dir)
		if os.IsNotExist(err) || dir != "/usr" && strings.HasPrefix(dir, "/usr/") {
			continue
		}
		must(w.t, err)
		s.Mounts = append(s.Mounts, specs.Mount{Destination: dir, Type: "bind", Source: source, Options: []string{"rbind", "ro", "nosuid", "nodev"}})
	}
	s.Process.Env = []string{"PATH=/usr/bin:/bin", "JAVA_HOME=" + maven.Java}
}

// A container gets the files of view maven in its user's local repository: Maven asks for nothing, with -o and without,
// and what it installs is its own, until it is released. What it has to download comes back as names, and is stocked for
// the next one.
func TestE2ERuncMaven(t *testing.T) {
	w := newWorld(t, "")
	left := maventest.Release{ID: "org.corp:left:1.0", Parent: "org.corp:parent:3", Contents: map[string]string{"Left.class": "left"}}
	r := maventest.NewRepository(t, left, maventest.Release{ID: "org.corp:parent:3", Packaging: "pom"}, maventest.Release{ID: "com.other:late:1.0", Contents: map[string]string{"Late.class": "late"}})
	r.Add(maventest.Plugins(t)...)
	home, larder := t.TempDir(), filepath.Join(t.TempDir(), "larder")
	r.Settings(t, filepath.Join(home, ".m2"))
	program := func(name string, args ...string) string {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Env = append(os.Environ(), "HOME="+home, "MAVEN_OPTS=-Duser.home="+home)
		if name == "go" {
			cmd.Env = os.Environ()
		}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %v: %v\n%s", name, args, err, out)
		}
		return string(out)
	}
	program("go", "build", "-tags", "urfave_cli_no_docs", "-o", larder, "larder/cmd/larder")
	project := maventest.Release{ID: "own:own:1", Packaging: "pom", Needs: []string{left.ID}, Plugins: []string{maventest.Say}, Pinned: maventest.Pins}
	pom := maventest.Project(t, t.TempDir(), project)
	program(larder, "--store", w.store, "build", "--lock", pom)
	r.Requests()

	const script = `set -e; cd /srv/app; touch /tmp/before; mvn -q -B install; mvn -q -B -o install
stat -c %u ~/.m2/repository/org/corp/left/1.0/left-1.0.jar; find ~/.m2/repository -type f -newer /tmp/before -name '*.pom' | sed "s|^$HOME/||"`
	inContainer := func(id string, uid int, p maventest.Release) string {
		t.Helper()
		srv, m2 := filepath.Join(w.rootfs, "srv/app"), filepath.Join(w.rootfs, "root/.m2")
		if uid != 0 {
			m2 = filepath.Join(w.rootfs, "home/alice/.m2")
		}
		for _, dir := range []string{srv, m2} {
			must(t, os.RemoveAll(dir))
			must(t, os.MkdirAll(dir, 0o755))
		}
		r.Settings(t, m2)
		maventest.Project(t, srv, p)
		for _, path := range []string{srv, filepath.Join(srv, "pom.xml"), m2, filepath.Join(m2, "settings.xml")} {
			must(t, os.Chown(path, uid, uid))
		}
		must(t, os.Chmod(filepath.Join(w.rootfs, "tmp"), 0o1777))
		must(t, os.RemoveAll(filepath.Join(w.rootfs, "tmp/before")))
		s := w.spec(script, "--required")
		w.mavenOfHost(s)
		s.Process.User = specs.User{UID: uint32(uid), GID: uint32(uid)}
		s.Process.Env = append(s.Process.Env, "HOME="+strings.TrimSuffix(strings.TrimPrefix(m2, w.rootfs), "/.m2"))
		out := w.output(id, s)
		if left, err := os.ReadDir(filepath.Join(m2, "repository")); err != nil && !os.IsNotExist(err) || len(left) > 0 {
			t.Errorf("it left %v, %v", left, err)
		}
		return out
	}
	for _, uid := range []int{0, 1000} {
		before := w.host()
		out := inContainer(fmt.Sprint("maven-", uid), uid, project)
		if want := fmt.Sprintf("%d\n.m2/repository/own/own/1/own-1.pom\n", uid); strings.Count(out, "artifacts: 1\n") != 4 || !strings.HasSuffix(out, want) {
			t.Errorf("as %d it printed %q, and not %q; the hook says %s", uid, out, want, w.logged())
		}
		if log := r.Requests(); len(log) > 0 {
			t.Errorf("as %d it asks for %q", uid, log)
		}
		w.unchanged(before)
	}

	project.Needs = append(project.Needs, "com.other:late:1.0")
	inContainer("late-0", 0, project)
	if got := r.Fetched(); len(got) != 2 {
		t.Errorf("fetched %q", got)
	}
	program(larder, "--store", w.store, "build", "--ecosystem", "maven", "--lock", pom)
	r.Requests()
	if out := inContainer("late-1000", 1000, project); strings.Count(out, "artifacts: 2\n") != 4 {
		t.Error(out)
	}
	if log := r.Requests(); len(log) > 0 {
		t.Errorf("what was missed is asked for again: %q", log)
	}
}
