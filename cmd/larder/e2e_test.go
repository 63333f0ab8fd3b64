package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// needE2E skips a test of the tier that needs root, the network and real packages.
func needE2E(t *testing.T) {
	t.Helper()
	if os.Getenv("LARDER_E2E") == "" {
		t.Skip("needs root and the package index: LARDER_E2E=1")
	}
}

// binary is the program itself, built once for all tests that run it as a process.
var binary = sync.OnceValues(func() (string, error) {
	var err error
	if binaryDir, err = os.MkdirTemp("", "larder-e2e-"); err != nil {
		return "", err
	}
	path := filepath.Join(binaryDir, "larder")
	cmd := exec.Command("go", "build", "-tags", "urfave_cli_no_docs", "-o", path, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %v\n%s", err, out)
	}
	return path, nil
})

var binaryDir string

// tests takes the binary away when all have run.
type tests struct{ *testing.M }

func (m tests) Run() int {
	status := m.M.Run()
	if binaryDir != "" {
		os.RemoveAll(binaryDir)
	}
	return status
}

// program runs larder, and other programs, in an environment of the test's own.
type program struct {
	t   *testing.T
	bin string
	env []string
}

func newProgram(t *testing.T) *program {
	t.Helper()
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	env := slices.DeleteFunc(os.Environ(), func(e string) bool {
		name, _, _ := strings.Cut(e, "=")
		return name == "HOME" || name == "XDG_CACHE_HOME" || name == "PYTHONDONTWRITEBYTECODE" || name == "LARDER_STORE" || name == "VIRTUAL_ENV"
	})
	return &program{t: t, bin: bin, env: append(env, "HOME="+home, "LARDER_STORE="+filepath.Join(home, "store"))}
}

func (p *program) with(env ...string) *program {
	return &program{p.t, p.bin, append(slices.Clone(p.env), env...)}
}

// try runs a command and returns its standard output, its standard error and its status.
func (p *program) try(name string, args ...string) (stdout, stderr string, status int) {
	p.t.Helper()
	if name == "larder" {
		name = p.bin
	}
	cmd := exec.Command(name, args...)
	cmd.Env = p.env
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		p.t.Fatalf("%s %v: %v", name, args, err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// must is try for a command that has to succeed.
func (p *program) must(name string, args ...string) string {
	p.t.Helper()
	out, errs, status := p.try(name, args...)
	if status != 0 {
		p.t.Fatalf("%s %s: status %d\n%s%s", name, strings.Join(args, " "), status, out, errs)
	}
	return out
}

// pythonOf returns the real interpreter behind python3.
func (p *program) python() string {
	p.t.Helper()
	return strings.TrimSpace(p.must("python3", "-c", "import os, sys; print(os.path.realpath(sys._base_executable))"))
}

// resolved asks pip which files it would install now, and returns them as a lock.
func (p *program) resolved(python string, packages ...string) (lock string, n int) {
	p.t.Helper()
	args := []string{"-m", "pip", "install", "--dry-run", "--ignore-installed", "--only-binary", ":all:", "--quiet", "--report", "-"}
	out := p.must(python, append(args, packages...)...)
	var report struct {
		Install []struct {
			Metadata struct{ Name, Version string } `json:"metadata"`
		} `json:"install"`
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		p.t.Fatal(err)
	}
	var b strings.Builder
	for _, i := range report.Install {
		fmt.Fprintf(&b, "%s==%s\n", i.Metadata.Name, i.Metadata.Version)
	}
	return b.String(), len(report.Install)
}

func (p *program) file(name, content string) string {
	p.t.Helper()
	path := filepath.Join(p.t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		p.t.Fatal(err)
	}
	return path
}

// An unmodified pip of each generation installs from the snapshot without asking
// for one wheel: a proxy that opens the TLS counts every request.
func TestE2EPipDownloadsNoWheel(t *testing.T) {
	needE2E(t)
	t.Parallel()
	p := newProgram(t)
	python := p.python()
	packages := []string{"flask", "requests", "numpy", "pandas"}
	lock, n := p.resolved(python, packages...)
	p.must("larder", "build", "--lock", p.file("requirements.txt", lock))
	proxy := newOpeningProxy(t, python)

	for _, pip := range []string{"", "pip==24.3.1", "pip"} { // "" is the one of the interpreter
		name := pip
		if name == "" {
			name = "shipped"
		}
		t.Run(name, func(t *testing.T) {
			p := &program{t, p.bin, p.env}
			venv := filepath.Join(t.TempDir(), "venv")
			p.must(python, "-m", "venv", venv)
			venvPython := filepath.Join(venv, "bin", "python")
			if pip != "" {
				p.must(venvPython, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade", pip)
			}
			proxied := p.with("PIP_PROXY="+proxy.URL, "PIP_CERT="+proxy.CAFile, "REQUESTS_CA_BUNDLE="+proxy.CAFile, "PIP_DISABLE_PIP_VERSION_CHECK=1")
			install := append([]string{"-m", "pip", "install"}, packages...)

			proxy.reset()
			out := proxied.must("larder", append([]string{"run", "--required", "--", venvPython}, install...)...)
			wheels, pages := proxy.counts()
			if len(wheels) != 0 {
				t.Errorf("pip asked for %d wheels: %v\n%s", len(wheels), wheels, out)
			}
			if pages == 0 {
				t.Error("the proxy saw no index page, so it proves nothing")
			}
			list := p.must(venvPython, "-m", "pip", "list", "--format", "freeze")
			if got := len(regexp.MustCompile(`(?m)^\S+==`).FindAllString(list, -1)); got < n {
				t.Errorf("%d packages are installed, want %d or more:\n%s", got, n, list)
			}

			// The same without Larder does download: the proxy can see wheels.
			plain := filepath.Join(t.TempDir(), "plain")
			p.must(python, "-m", "venv", plain)
			proxy.reset()
			proxied.must(filepath.Join(plain, "bin", "python"), "-m", "pip", "install", "--quiet", "--no-cache-dir", "flask")
			if wheels, _ := proxy.counts(); len(wheels) == 0 {
				t.Error("without larder the proxy saw no wheel either, so it proves nothing")
			}
		})
	}
}
