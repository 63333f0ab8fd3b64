package resolve

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"larder/builder/sandbox"
)

func needsMirror(t *testing.T) {
	t.Helper()
	if os.Getenv("LARDER_E2E") != "1" {
		t.Skip("needs Maven, and its configured mirror: set LARDER_E2E=1")
	}
}

func options(t *testing.T) Options {
	t.Helper()
	runner, err := sandbox.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { runner.Close() })
	return Options{Sandbox: loud{t, runner}, Scratch: t.TempDir()}
}

// loud shows what mvn says, where LARDER_TEST_LOG asks for it.
type loud struct {
	*testing.T
	*sandbox.Runner
}

func (l loud) Run(ctx context.Context, s sandbox.Spec) (*sandbox.Result, error) {
	r, err := l.Runner.Run(ctx, s)
	if err == nil && os.Getenv("LARDER_TEST_LOG") != "" {
		l.Logf("%s", r.Log)
	}
	return r, err
}

// What was asked for is all that later builds need: they make no request, online or offline.
func TestE2EProject(t *testing.T) {
	needsMirror(t)
	for _, sample := range []string{"junit5", "spring", "modules"} {
		t.Run(sample, func(t *testing.T) {
			m, o := newMirror(t), options(t)
			started := time.Now()
			if err := Project(t.Context(), filepath.Join("testdata", sample, "pom.xml"), m, o); err != nil {
				t.Fatal(err)
			}
			t.Logf("%d found, %d not, %d of both fetched, %s", len(m.found), len(m.missing), len(m.fetched), time.Since(started).Round(time.Millisecond))
			if left, _ := filepath.Glob(filepath.Join(o.Scratch, "*")); len(left) > 0 {
				t.Errorf("left in scratch: %s", left)
			}
			home := t.TempDir()
			m.stock(filepath.Join(home, ".m2/repository"))
			later(t, "mvn", home, sample, "clean verify", "-o clean install -DskipTests")
		})
	}
}

// Other releases of Maven than the host's are started as they want to be, and ask for plugins of their own.
func TestE2EReleases(t *testing.T) {
	needsMirror(t)
	for _, release := range []string{"3.9.11", "4.0.0-rc-4"} {
		t.Run(release, func(t *testing.T) {
			m, o := newMirror(t), options(t)
			text, err := m.get("/org/apache/maven/apache-maven/" + release + "/apache-maven-" + release + "-bin.tar.gz")
			if err != nil {
				t.Fatal(err)
			}
			home := t.TempDir()
			unpack := exec.CommandContext(t.Context(), "tar", "-xz", "--strip-components=1", "-C", home)
			unpack.Stdin = bytes.NewReader(text)
			if out, err := unpack.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			o.Maven = filepath.Join(home, "bin/mvn")
			if err := Project(t.Context(), "testdata/junit5/pom.xml", m, o); err != nil {
				t.Fatal(err)
			}
			t.Logf("%d found", len(m.found))
			user := t.TempDir()
			m.stock(filepath.Join(user, ".m2/repository"))
			later(t, o.Maven, user, "junit5", "-o clean install")
		})
	}
}

// later builds a project by a Maven, with what is in the local repository and a mirror that answers nothing.
func later(t *testing.T, mvn, home, sample string, lines ...string) {
	dir := filepath.Join(t.TempDir(), sample)
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", sample))); err != nil {
		t.Fatal(err)
	}
	asked := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("asked for %s", r.URL.Path)
		http.NotFound(w, r)
	}))
	defer asked.Close()
	file := filepath.Join(home, "settings.xml")
	if err := os.WriteFile(file, []byte("<settings><mirrors><mirror><id>other</id><mirrorOf>*</mirrorOf><url>"+asked.URL+"</url></mirror></mirrors></settings>"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, line := range lines {
		cmd := exec.CommandContext(t.Context(), mvn, append(strings.Fields(line), "-B", "-s", file, "-Dmaven.repo.local="+filepath.Join(home, ".m2/repository"))...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("mvn %s: %v\n%s", line, err, out)
		}
	}
}
