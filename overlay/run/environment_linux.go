package run

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"larder/overlay"
	"larder/overlay/venv"
)

// Environment is a lock's packages, to be mounted as a virtual environment.
type Environment struct {
	// Lowers are the layers' directories in the tree, topmost first, or the
	// one directory they are merged in.
	Lowers []string
	// Projects are the normalised names of what the layers hold: what an existing
	// environment has of them itself is hidden.
	Projects []string
	// Pip is the layer of the target's pip, for an environment without: a private
	// one, or an existing one that has none itself. "" when Lowers have it.
	Pip string
	// Venv is an existing virtual environment; "" makes a private one.
	Venv string
	// Interpreter is what a private environment is made of.
	Interpreter venv.Interpreter
	// Missing are lines for the environment's own pip, installed before the
	// command runs. Hashes follow on the same line.
	Missing []string
}

func (s *session) attachEnvironment() error {
	t, err := s.tree(s.User.Owner, overlay.AnyBacking)
	if err != nil {
		return err
	}
	e, err := s.Environment(t.file)
	if err != nil {
		return err
	}
	s.env = e
	if e.Venv != "" {
		p, err := openPoint(e.Venv, s.User, false)
		if errors.Is(err, errAttached) {
			return &problem{kind: overlay.ErrRefused, msg: e.Venv + " has an environment mounted on it already",
				hint: "name another virtual environment with --venv"}
		}
		if err != nil {
			return err
		}
		lowers, err := s.withPip(p)
		if err != nil {
			p.dir.Close()
			return err
		}
		if len(lowers) == 0 {
			p.dir.Close()
			s.activate(p.path)
			return nil
		}
		err = s.attachLowers("env", p, lowers, p.path, e.Projects...)
		if err == nil {
			s.activate(p.path)
			return nil
		}
		if !errors.Is(err, overlay.ErrDepth) || e.Interpreter.Path == "" {
			return err
		}
		s.Warn(e.Venv + " lies on stacked file systems: its own packages are left out, the environment is a private one")
	}
	return s.attachPrivate()
}

// withPip are the environment's lowers, with the target's pip where an existing
// virtual environment has none, as uv makes them: else the command's pip, and
// that for what is missing, would be the host's or nobody's.
func (s *session) withPip(p *point) ([]string, error) {
	e := s.env
	with := append(slices.Clone(e.Lowers), e.Pip)
	if e.Pip == "" || len(with)+2 > overlay.MaxLowers {
		return e.Lowers, nil
	}
	if had, there := s.Instance.Recorded("env"); there { // as it was made
		if slices.Contains(had, s.Snapshot.ID+"/"+e.Pip) {
			return with, nil
		}
		return e.Lowers, nil
	}
	has, err := venv.HasProject(p.dir, "pip", &s.reads)
	if err != nil && !s.Required {
		s.Warn(err.Error())
		return e.Lowers, nil
	}
	if err != nil || has {
		return e.Lowers, err
	}
	return with, nil
}

// attachPrivate makes a virtual environment that only the command has: what
// `python -m venv` writes is made anew for each run, in memory, and is the
// lowest lower, as an existing environment's files are.
func (s *session) attachPrivate() error {
	e := s.env
	lowers := e.Lowers
	if e.Pip != "" {
		lowers = append(append([]string{}, lowers...), e.Pip)
	}
	if len(lowers) == 0 {
		return &problem{kind: overlay.ErrRefused, msg: "the snapshot has nothing of the lock, and no pip for a new environment"}
	}
	p, err := s.makePoint(filepath.Join(string(s.RunDir), "env"))
	if err != nil {
		return err
	}
	if err := venv.Make(p.path, e.Interpreter, p.owner); err != nil {
		p.dir.Close()
		return fmt.Errorf("make a virtual environment: %w", err)
	}
	if err := s.attachLowers("private", p, lowers, "python "+e.Interpreter.Version+" "+e.Interpreter.Path); err != nil {
		return err
	}
	s.activate(p.path)
	return nil
}

// activate is what bin/activate does.
func (s *session) activate(venv string) {
	s.set["VIRTUAL_ENV"] = venv
	path := lookup(s.Env, "PATH")
	if path == "" {
		path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	}
	s.set["PATH"] = filepath.Join(venv, "bin") + ":" + path
	s.unset = append(s.unset, "PYTHONHOME")
}

// installMissing has the environment's pip install what the snapshot lacks.
// What pip prints is not the command's output: it goes to standard error.
func (s *session) installMissing(ctx context.Context, env []string) error {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return fmt.Errorf("install what the snapshot lacks: %w", err)
	}
	defer null.Close()
	// One line with a hash makes pip want one on every line.
	var hashed, plain []string
	for _, line := range s.env.Missing {
		if strings.Contains(line, "--hash=") {
			hashed = append(hashed, line)
		} else {
			plain = append(plain, line)
		}
	}
	python := filepath.Join(s.set["VIRTUAL_ENV"], "bin", "python")
	for _, name := range []string{"PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP"} { // for what pip starts
		env = without(env, name)
	}
	for n, lines := range [][]string{hashed, plain} {
		if len(lines) == 0 {
			continue
		}
		file := filepath.Join(string(s.RunDir), "missing-"+strconv.Itoa(n)+".txt")
		if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
			return fmt.Errorf("install what the snapshot lacks: %w", err)
		}
		// -I: nothing is imported from the working directory, which may be
		// anybody's, nor from where PYTHON* and the user's own site say.
		command := []string{python, "-I", "-m", "pip", "install", "--no-deps", "--disable-pip-version-check", "-r", file}
		status, _, err := start(ctx, command, env, s.User, []*os.File{null, os.Stderr, os.Stderr})
		if err != nil {
			return fmt.Errorf("install what the snapshot lacks: %w", err)
		}
		if status != 0 {
			return &problem{kind: errPip, msg: fmt.Sprintf("install what the snapshot lacks: pip: exit status %d", status),
				hint: "pip's own message is above"}
		}
		_ = unix.Unlink(file)
	}
	return nil
}

var errPip = errors.New("pip did not install it")
