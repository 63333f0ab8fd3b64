//go:build linux

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// pythons finds the interpreters of this host, oldest first: those of pyenv,
// and on PATH.
func pythons(t *testing.T) (found []pythonHere) {
	t.Helper()
	root := ""
	if out, err := exec.Command("pyenv", "root").Output(); err == nil {
		root = strings.TrimSpace(string(out))
	}
	for _, minor := range []string{"3.8", "3.9", "3.10", "3.11", "3.12", "3.13"} {
		paths, _ := filepath.Glob(filepath.Join(root, "versions", minor+".*", "bin", "python"+minor))
		if path, err := exec.LookPath("python" + minor); err == nil {
			paths = append(paths, path)
		}
		i := slices.IndexFunc(paths, func(path string) bool { // pyenv's own python3.9 may be a word of refusal
			return exec.Command(path, "-c", "import venv, ensurepip").Run() == nil
		})
		if i < 0 {
			t.Logf("python%s is not here, left out", minor)
			continue
		}
		found = append(found, pythonHere{minor, paths[i]})
	}
	if len(found) == 0 {
		t.Fatal("no interpreter with venv is here")
	}
	return found
}

type pythonHere struct{ minor, path string }

const tagOf = `import sys, os; print("cp%d%d-manylinux_%s_%s" % (*sys.version_info[:2], os.confstr("CS_GNU_LIBC_VERSION").split()[1].replace(".", "_"), os.uname().machine))`

// One snapshot for all interpreters of the host; each virtual environment gets
// the packages of its own.
func TestE2EInterpreters(t *testing.T) {
	needE2E(t)
	p := newProgram(t)
	all := pythons(t)
	// What the oldest can have the others can too.
	text, _ := p.resolved(all[0].path, "requests", "pyyaml")
	args := []string{"build", "--lock", p.file("requirements.txt", text)}
	var dirs []string
	tags := map[string]string{}
	for _, py := range all {
		tags[py.minor] = strings.TrimSpace(p.must(py.path, "-c", tagOf))
		args = append(args, "--target", tags[py.minor])
		dirs = append(dirs, filepath.Dir(py.path))
	}
	p = p.with("PATH=" + strings.Join(dirs, ":") + ":" + os.Getenv("PATH"))
	p.must("larder", args...)
	m := locked{p, all[0].path, args[2]}
	for _, py := range all {
		t.Run(py.minor, func(t *testing.T) {
			script := `python -c 'import sys, requests, yaml; print("%d.%d" % sys.version_info[:2], sys.prefix, yaml.__with_libyaml__)'; normalizer --version | grep -c "Python ` + py.minor + `[.]"; pip check >&2`
			dir := t.TempDir()
			venv := filepath.Join(dir, ".venv")
			m.must(py.path, "-m", "venv", venv)
			before := m.must("find", venv, "-printf", "%P %m %s %T@\n")
			want := py.minor + " " + venv + " True\n1\n"
			if got := m.run(t, script, "--venv", venv); got != want {
				t.Errorf("--venv: %q, want %q", got, want)
			}
			t.Chdir(dir)
			if got := m.run(t, script); got != want {
				t.Errorf(".venv: %q, want %q", got, want)
			}
			t.Chdir(t.TempDir())
			got := m.run(t, script, "--target", tags[py.minor])
			if !strings.HasPrefix(got, py.minor+" ") || !strings.HasSuffix(got, " True\n1\n") || strings.Contains(got, venv) {
				t.Errorf("--target: %q", got)
			}
			if after := m.must("find", venv, "-printf", "%P %m %s %T@\n"); after != before {
				t.Errorf("the virtual environment changed:\n%s", lineDiff(before, after))
			}
		})
	}
}

// What --instance keeps, whom --user runs as, and a lock that no build has seen.
func TestE2ERunOptions(t *testing.T) {
	needE2E(t)
	p := newProgram(t)
	// The system's interpreter: one in root's home is not for other users to run.
	python := "/usr/bin/python3"
	minor := strings.TrimSpace(p.must(python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"))
	text, _ := p.resolved(p.python(), "--python-version", minor, "--target", t.TempDir(), "flask", "pyyaml", "requests")
	p = p.with("PATH=/usr/bin:" + os.Getenv("PATH"))
	ranked, _, _ := strings.Cut(text, "\n")
	var names strings.Builder
	for line := range strings.Lines(text) {
		name, _, _ := strings.Cut(line, "==")
		names.WriteString(name + "\n")
	}
	// No lock is built: the layers are those of the ranking.
	p.must("larder", "build", "--ranking", p.file("ranking.txt", names.String()), "--top", "100")
	lock := p.file("requirements.txt", text)
	m := locked{p.with("PIP_DISABLE_PIP_VERSION_CHECK=1", "PIP_ROOT_USER_ACTION=ignore", "LOCK="+lock), python, lock}

	t.Run("lock never built", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "report.json")
		out := m.run(t, `pip install --progress-bar off -r "$LOCK"; flask --version`, "--report", file)
		if strings.Count(out, "already satisfied") < strings.Count(text, "\n") || strings.Contains(out, "Collecting") {
			t.Errorf("pip says %s", out)
		}
		var report struct{ Mounts []struct{ Lowers int } }
		b, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(b, &report)
		}
		if err != nil || len(report.Mounts) == 0 || report.Mounts[len(report.Mounts)-1].Lowers < strings.Count(text, "\n") {
			t.Errorf("%v, not a lower for each wheel: %s", err, b)
		}
	})
	t.Run("instance", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "instance")
		m.run(t, "pip install --quiet six; pip uninstall --quiet --yes requests", "--instance", dir)
		m.run(t, "python -c 'import six, flask'; if python -c 'import requests' 2>/dev/null; then exit 1; fi", "--instance", dir)
		m.run(t, "python -c 'import requests'")
		other := locked{m.program, python, m.file("other.txt", ranked+"\n")}
		_, errs, status := other.try("larder", "run", "-r", other.lock, "--instance", dir, "--", "true")
		if status != exitRunFailed || !strings.Contains(errs, dir) || strings.Count(errs, "\n") > 2 {
			t.Errorf("with another lock: status %d, %q", status, errs)
		}
		m.run(t, "python -c 'import six'", "--instance", dir)
	})
	t.Run("user", func(t *testing.T) {
		// A directory of his own, and an environment of root's below it.
		dir := t.TempDir()
		for _, d := range []string{dir, filepath.Dir(dir), filepath.Dir(m.lock), filepath.Dir(filepath.Dir(m.lock))} {
			if err := os.Chmod(d, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chown(dir, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		script := `export HOME=$PWD; id -u; pip install --quiet six; flask --version >&2; python -c "import six, flask; print(six.__file__)"
			stat -c %u "$VIRTUAL_ENV"/lib/python3*/site-packages/six.py; echo x >mine; find "$PIP_CACHE_DIR" ! -uid 65534`
		check := func(out string) {
			t.Helper()
			if !strings.HasPrefix(out, "65534\n") || !strings.HasSuffix(out, "/six.py\n65534\n") {
				t.Errorf("printed %q", out)
			}
		}
		own := locked{m.with("PIP_CACHE_DIR=" + filepath.Join(dir, "cache")), python, m.lock}
		check(own.in(t, dir, script, "--user", "nobody"))

		// His home of the passwd file does not exist: no cache, one warning.
		out, errs, status := m.try("larder", "run", "-r", m.lock, "--user", "nobody", "--", "sh", "-euc", `cd "$0"; PIP_CACHE_DIR=; `+script[:strings.LastIndex(script, ";")], dir)
		if status != 0 || !strings.HasPrefix(errs, "larder: ") || !strings.Contains(errs, "/.cache/pip") {
			t.Errorf("status %d, %s", status, errs)
		}
		check(out)
	})
}
