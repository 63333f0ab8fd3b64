package layer

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"larder/builder/pypi/wheel"
	"larder/snapshot"
)

// tree is a directory that layers are unpacked into, and the Put that does it.
type tree struct {
	t    testing.TB
	pool string
	mu   sync.Mutex
	n    int
}

func newTree(t testing.TB) *tree { return &tree{t: t, pool: t.TempDir()} }

func (p *tree) put(r io.Reader, exec bool) (snapshot.Object, int64, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return snapshot.Object{}, 0, err
	}
	o := snapshot.Object{Digest: snapshot.Sum(b), Exec: exec}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n++
	name := p.object(o)
	if _, err := os.Stat(name); err == nil {
		return o, int64(len(b)), nil
	}
	return o, int64(len(b)), os.WriteFile(name, b, 0o600)
}

func (p *tree) object(o snapshot.Object) string {
	name := filepath.Join(p.pool, o.Digest.String())
	if o.Exec {
		name += ".x"
	}
	return name
}

func (p *tree) read(o snapshot.Object) string {
	b, err := os.ReadFile(p.object(o))
	if err != nil {
		p.t.Fatal(err)
	}
	return string(b)
}

// unpack writes a layer below dir, as a snapshot would show it.
func (p *tree) unpack(dir string, files []File) {
	p.t.Helper()
	for _, f := range files {
		name := filepath.Join(dir, f.Path)
		mode := os.FileMode(0o644)
		if f.Object.Exec {
			mode = 0o755
		}
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			p.t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(p.read(f.Object)), mode); err != nil {
			p.t.Fatal(err)
		}
		at := time.Unix(f.MTime, 0)
		if err := os.Chtimes(name, at, at); err != nil {
			p.t.Fatal(err)
		}
	}
}

// python is the interpreter of the ordinary tests.
func python(t testing.TB) Interpreter {
	t.Helper()
	in, err := Probe(context.Background(), "python3")
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func compiler(t testing.TB, in Interpreter, jobs int) *Compiler {
	t.Helper()
	c, err := NewCompiler(context.Background(), in, jobs)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func openWheel(t testing.TB, name string) *wheel.Wheel {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	w, err := wheel.Open(f, st.Size(), filepath.Base(name))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// run runs a command and returns its output; it must succeed.
func run(t testing.TB, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = dir
	cmd.Env = cleanEnv()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v\n%s", args, err, out)
	}
	return string(out)
}

// cleanEnv is the environment without what would change how Python or pip behave.
func cleanEnv() []string {
	var env []string
	for _, kv := range os.Environ() {
		if len(kv) >= 6 && kv[:6] == "PYTHON" || len(kv) >= 4 && kv[:4] == "PIP_" {
			continue
		}
		env = append(env, kv)
	}
	return append(env, "PIP_CONFIG_FILE=/dev/null", "PIP_DISABLE_PIP_VERSION_CHECK=1")
}

// interpreters are all the CPythons this host has: on PATH, and in the directories
// of the version manager most used.
func interpreters(t testing.TB) []Interpreter {
	t.Helper()
	candidates, err := filepath.Glob(filepath.Join(os.Getenv("PYENV_ROOT"), "versions", "3.*", "bin", "python"))
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		for _, name := range strings.Fields("python3 python3.8 python3.9 python3.10 python3.11 python3.12 python3.13 python3.14") {
			candidates = append(candidates, filepath.Join(dir, name))
		}
	}
	var list []Interpreter
	seen := map[string]bool{}
	for _, exe := range candidates {
		in, err := Probe(context.Background(), exe)
		if err != nil || seen[in.Executable] {
			continue
		}
		seen[in.Executable] = true
		list = append(list, in)
	}
	return list
}
