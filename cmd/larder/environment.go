package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"larder/overlay/run"
	"larder/overlay/venv"
	"larder/snapshot"
	"larder/snapshot/pypi"
	"larder/snapshot/pypi/lock"
	"larder/snapshot/pypi/tags"
)

// environment returns what finds the locks' packages once the tree is open:
// which virtual environment, so which target, so which markers hold, so which
// pins, so which layers.
func (r *running) environment(locks []string) func(*os.File) (*run.Environment, error) {
	return func(tree *os.File) (*run.Environment, error) {
		on, err := r.venv()
		if err != nil {
			return nil, err
		}
		target, python, err := r.target(tree, on)
		if err != nil {
			return nil, err
		}
		detail, err := pypi.TargetOf(target)
		if err != nil {
			return nil, err
		}
		locked, err := lock.ReadAll(locks, detail.Markers)
		if err != nil {
			return nil, run.Fatal(err)
		}
		union := locked.Requirements()
		found, err := snapshot.FindEnvironment(fdOf(tree), target.Tag, union)
		if err != nil {
			return nil, err
		}
		e := &run.Environment{Lowers: found.Lowers, Projects: found.Provided(union), Venv: on.Dir, Interpreter: interpreter(target.Tag, detail.Python, python)}
		pinsPip := slices.ContainsFunc(union.Pins, func(p snapshot.Pin) bool { return p.Name == "pip" })
		if target.Installer != "" && !pinsPip {
			e.Pip = snapshot.LayerPath(target.Installer)
		}
		if len(union.LeftOut) > 0 {
			warnf("%s: not packages of an index, left out: %s", strings.Join(locks, ", "), strings.Join(union.LeftOut, ", "))
		}
		if tag, err := tags.Parse(target.Tag); err == nil {
			r.lack(found.Missing, tag.Python())
		}
		return e, r.missing(e, found.Missing, target.Tag)
	}
}

// interpreter is what a private environment for the target is made of: the
// executable the snapshot was built with, else the one of that name on PATH.
func interpreter(target, version, path string) venv.Interpreter {
	in := venv.Interpreter{Version: version}
	if tag, err := tags.Parse(target); err == nil {
		in.FreeThreaded = tag.FreeThreaded()
		if _, err := os.Stat(path); err != nil {
			path, _ = exec.LookPath("python" + tag.Python())
		}
	}
	if filepath.IsAbs(path) {
		in.Path = venv.BaseInterpreter(path)
	}
	return in
}

func fdOf(f *os.File) int { return int(f.Fd()) }

// missing deals with the pins that the snapshot lacks.
func (r *running) missing(e *run.Environment, pins []snapshot.Pin, target string) error {
	if len(pins) == 0 {
		return nil
	}
	names := make([]string, len(pins))
	for i, p := range pins {
		names[i] = p.Name + "==" + p.Version
	}
	text := fmt.Sprintf("the snapshot lacks %d of the lock for %s: %s", len(pins), target, strings.Join(names, ", "))
	switch r.settings.Missing {
	case "fail":
		return run.Fatal(&missingError{text})
	case "pip":
		for i, p := range pins {
			line := names[i]
			for _, h := range p.Digests {
				line += " --hash=sha256:" + h
			}
			e.Missing = append(e.Missing, line)
		}
	default:
		warnf("%s", text)
	}
	return nil
}

// missingError fails a run whose lock cannot be had whole.
type missingError struct{ text string }

func (e *missingError) Error() string { return e.text }
func (e *missingError) Hint() string {
	return "stock them with larder build --lock, or let pip install them with --missing pip"
}

// venv is the virtual environment to mount on; its Dir is "" for a private one.
func (r *running) venv() (venv.Venv, error) {
	dir := r.c.String("venv")
	named := dir != ""
	if !named {
		dir = ".venv"
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return venv.Venv{}, err
	}
	v, err := venv.Read(dir)
	if file := errors.Is(err, unix.ENOTDIR); file || errors.Is(err, fs.ErrNotExist) {
		if !named {
			if file {
				warnf("%s is a file, and no virtual environment: the packages are in a private one", dir)
			}
			return venv.Venv{}, nil
		}
		return venv.Venv{}, run.Fatal(usagef("%s is no virtual environment: it has no pyvenv.cfg", dir).hint("make one with python -m venv, or leave --venv out"))
	}
	if err != nil && named {
		err = run.Fatal(err)
	}
	return v, err
}

// target chooses the row of the snapshot to mount: --target, else one for the
// virtual environment's Python, else the one of this host's interpreter. Where
// that leaves a choice, nothing is guessed: a lock on the wrong target would be
// another environment.
// python is this host's interpreter for it, "" when unknown.
func (r *running) target(tree *os.File, on venv.Venv) (t snapshot.Target, python string, err error) {
	interpreters := r.interpreters()
	if tag := r.settings.Target; tag != "" {
		if _, err := tags.Parse(tag); err != nil {
			return t, "", run.Fatal(usagef("--target: %v", err))
		}
		if t, err = readTarget(tree, tag); err != nil {
			return t, "", run.Fatal(err)
		}
		return t, interpreters[tag], nil
	}
	all, err := snapshot.Targets(fdOf(tree))
	if err != nil {
		return t, "", err
	}
	fits := hostTargets(all, on, interpreters)
	switch {
	case len(fits) == 1:
		t, err = readTarget(tree, fits[0])
		return t, interpreters[fits[0]], err
	case len(fits) > 1:
		return t, "", run.Fatal(usagef("the snapshot has several targets: %s", strings.Join(fits, ", ")).hint("choose one with --target"))
	case on.Dir != "":
		return t, "", usagef("the snapshot has nothing for Python %s of %s (it has %s)", on.Version, on.Dir, strings.Join(all, ", ")).
			hint("build for it with larder build --target")
	}
	return t, "", usagef("the snapshot has no target").hint("build one with larder build --lock")
}

// hostTargets narrows a snapshot's targets, step by step and as long as any is
// left: to the virtual environment's Python, to this machine's kind, to those
// with an interpreter on this host, and to that which python3 is on PATH.
func hostTargets(all []string, on venv.Venv, interpreters map[string]string) []string {
	fits := slices.Clone(all)
	if on.Dir != "" {
		fits = slices.DeleteFunc(fits, func(tag string) bool { return !targetFits(tag, on) })
	}
	for _, keep := range []func(tag string) bool{
		func(tag string) bool { return strings.HasSuffix(tag, "_"+machine()) },
		func(tag string) bool { return exists(interpreters[tag]) },
		func(tag string) bool { return isPython3(interpreters[tag]) },
	} {
		if better := slices.DeleteFunc(slices.Clone(fits), func(tag string) bool { return !keep(tag) }); len(better) > 0 {
			fits = better
		}
	}
	return fits
}

// machine is this host's, as `uname -m` prints it and targets end in.
func machine() string {
	var u unix.Utsname
	_ = unix.Uname(&u)
	return unix.ByteSliceToString(u.Machine[:])
}

// isPython3 says whether an interpreter is what python3 is on PATH, or what the
// virtual environment there was made of.
func isPython3(path string) bool {
	python3, err := exec.LookPath("python3")
	if err != nil {
		return false
	}
	st, err := os.Stat(venv.BaseInterpreter(python3))
	if err != nil {
		return false
	}
	other, err := os.Stat(path)
	return err == nil && os.SameFile(st, other)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// interpreters are the executables the snapshot was built with, by target.
func (r *running) interpreters() map[string]string {
	all, err := r.store.List()
	if err != nil {
		return nil
	}
	for _, p := range all {
		if p.ID == r.id {
			return p.Interpreters
		}
	}
	return nil
}

// targetFits says whether a target is for the virtual environment's Python.
func targetFits(tag string, on venv.Venv) bool {
	t, err := tags.Parse(tag)
	if err != nil || (on.Version != t.Python() && !strings.HasPrefix(on.Version, t.Python()+".")) {
		return false
	}
	// pyvenv.cfg does not tell a free-threaded Python; its library directory does.
	_, err = os.Stat(filepath.Join(on.Dir, "lib", "python"+t.Python()+"t"))
	return t.FreeThreaded() == (err == nil)
}

// readTarget reads a target's row; one that is not there is the user's to mend.
func readTarget(tree *os.File, tag string) (snapshot.Target, error) {
	t, err := snapshot.ReadTarget(fdOf(tree), tag)
	if errors.Is(err, fs.ErrNotExist) {
		all, _ := snapshot.Targets(fdOf(tree))
		return t, usagef("the snapshot has nothing for target %s (it has %s)", tag, strings.Join(all, ", ")).hint("build for it with larder build --target %s", tag)
	}
	return t, err
}
