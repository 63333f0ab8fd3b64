package pypi

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"larder/overlay"
	"larder/snapshot"
	"larder/snapshot/ecosystem"
	"larder/snapshot/pypi"
)

// installer is the project that installs others.
const installer = "pip"

// Environments are virtual environments.
var Environments ecosystem.Environments = environments{}

type environments struct{}

func (environments) Noun() string { return "virtual environment" }

func (environments) Alone() bool { return false }

// Usual are what an activated shell says, and where the tools put it.
func (environments) Usual(wd string, env func(string) string) []string {
	usual := []string{path.Join(wd, ".venv")}
	if active := env("VIRTUAL_ENV"); path.IsAbs(active) {
		usual = slices.Insert(usual, 0, active)
	}
	return usual
}

// environment is a virtual environment: one that is there, or with an empty dir a new one.
type environment struct {
	files        ecosystem.Files
	dir          string
	home         string // where its interpreter is
	version      string // "3.11.7"
	freeThreaded bool
}

func (environments) Open(files ecosystem.Files, dir string) (ecosystem.Environment, error) {
	if dir == "" {
		return &environment{}, nil
	}
	return read(files, dir)
}

func (e *environment) String() string { return "Python " + e.version + " of " + e.dir }

// Targets narrows a snapshot's targets, step by step and as long as any is left: to the virtual
// environment's Python, to this machine's kind, to those with an interpreter on this host, and to
// that which python3 is on PATH.
func (e *environment) Targets(all []snapshot.Target, made map[string]string) []snapshot.Target {
	fits := slices.DeleteFunc(slices.Clone(all), func(t snapshot.Target) bool {
		return t.Ecosystem != pypi.Name || e.dir != "" && !e.fits(t.Tag)
	})
	for _, keep := range []func(tag string) bool{
		func(tag string) bool { return strings.HasSuffix(tag, "_"+machine()) },
		func(tag string) bool { return exists(made[tag]) },
		func(tag string) bool { return isPython3(made[tag]) },
	} {
		if better := slices.DeleteFunc(slices.Clone(fits), func(t snapshot.Target) bool { return !keep(t.Tag) }); len(better) > 0 {
			fits = better
		}
	}
	return fits
}

// fits says whether a target is for the environment's Python.
func (e *environment) fits(tag string) bool {
	t, err := pypi.ParseTag(tag)
	return err == nil && (e.version == t.Python() || strings.HasPrefix(e.version, t.Python()+".")) && t.FreeThreaded() == e.freeThreaded
}

// machine is this host's, as `uname -m` prints it and targets end in.
func machine() string {
	var u unix.Utsname
	_ = unix.Uname(&u)
	return unix.ByteSliceToString(u.Machine[:])
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// isPython3 says whether an interpreter is what python3 is on PATH, or what the virtual environment
// there was made of.
func isPython3(path string) bool {
	python3, err := exec.LookPath("python3")
	if err != nil {
		return false
	}
	st, err := os.Stat(baseInterpreter(python3))
	if err != nil {
		return false
	}
	other, err := os.Stat(path)
	return err == nil && os.SameFile(st, other)
}

// baseInterpreter is the interpreter to make a virtual environment of: python itself, or, when that
// lives in a virtual environment, the one that was made of. An environment whose home is another
// one would lose its standard library.
func baseInterpreter(python string) string {
	e, err := read(ecosystem.Host{}, filepath.Dir(filepath.Dir(python)))
	if err != nil || e.home == "" {
		return python
	}
	if base := filepath.Join(e.home, filepath.Base(python)); exists(base) {
		return base
	}
	return python
}

func (e *environment) NeedsInstaller(own *os.File, want *snapshot.Requirements) (bool, error) {
	if slices.ContainsFunc(want.Pins, func(p snapshot.Pin) bool { return p.Name == installer }) {
		return false, nil
	}
	if e.dir == "" {
		return true, nil
	}
	has, err := hasProject(own, installer, e.files.Take)
	return !has && err == nil, err
}

func (e *environment) Mask(own *os.File, projects []string) (func(dir string) error, error) {
	m, err := findMask(own, projects, e.files.Take)
	if err != nil || m.empty() {
		return nil, err
	}
	return m.write, nil
}

// Scripts are none: what a wheel has is installed as it is.
func (environments) Scripts(string, []snapshot.Script) (run []ecosystem.Install, ok bool) {
	return nil, false
}

// Variables are what bin/activate sets.
func (e *environment) Variables(dir string, env func(string) string) (set map[string]string, unset []string) {
	path := env("PATH")
	if path == "" {
		path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	}
	return map[string]string{"VIRTUAL_ENV": dir, "PATH": filepath.Join(dir, "bin") + ":" + path}, []string{"PYTHONHOME"}
}

// Install has the environment's pip install. One line with a hash makes pip want one on every line,
// so there are two runs of it where only some pins have them.
func (e *environment) Install(dir string, pins []snapshot.Pin) []ecosystem.Install {
	var hashed, plain []string
	for _, p := range pins {
		line := p.Name + "==" + p.Version
		digests := slices.Concat(p.Digests, p.Sources)
		slices.Sort(digests) // a file may be listed as either
		for _, d := range slices.Compact(digests) {
			line += " --hash=sha256:" + d
		}
		if len(digests) > 0 {
			hashed = append(hashed, line)
		} else {
			plain = append(plain, line)
		}
	}
	var all []ecosystem.Install
	for _, lines := range [][]string{hashed, plain} {
		if len(lines) == 0 {
			continue
		}
		all = append(all, ecosystem.Install{
			Name: installer,
			// -I: nothing is imported from the working directory, which may be anybody's, nor from
			// where PYTHON* and the user's own site say.
			Command: []string{filepath.Join(dir, "bin", "python"), "-I", "-m", installer, "install", "--no-deps", "--disable-pip-version-check", "-r"},
			Input:   strings.Join(lines, "\n") + "\n",
			Unset:   []string{"PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP"}, // for what pip starts
		})
	}
	return all
}

// missing is what a directory without pyvenv.cfg is.
func missing(dir string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTDIR) {
		return err
	}
	return &overlay.Problem{Kind: err, Text: dir + " is no virtual environment: it has no pyvenv.cfg",
		Advice: "make one with python -m venv, or leave --venv out"}
}
