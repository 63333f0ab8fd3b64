package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"larder/overlay"
	"larder/overlay/oci/container"
	"larder/snapshot"
	"larder/snapshot/pypi"
	"larder/snapshot/pypi/lock"
)

const (
	maxLock   = 4 << 20 // the largest seen has 3 MB
	maxConfig = 64 << 10
)

// environment is a lock's packages, to be mounted on a virtual environment.
type environment struct {
	lock  string // path
	ours  bool   // the path is the operator's; else it is in the container
	point *container.Point
	venv  string // path in the container
}

// wantEnvironment finds out whether the container gets an environment, and
// where; nil when it does not. The path of a container's own lock is followed
// inside the container only.
func (s *session) wantEnvironment() (*environment, error) {
	e := &environment{lock: s.profile.Lock, ours: true, venv: s.profile.Venv}
	asked := s.annotation(lockAnnotation)
	if asked != "" || s.annotation(venvAnnotation) != "" {
		if !s.profile.AllowContainerLock {
			return nil, fmt.Errorf("the container asks for one, and profile %s does not allow it", s.name)
		}
		if asked != "" {
			e.lock, e.ours = asked, false
		}
		if v := s.annotation(venvAnnotation); v != "" {
			e.venv = v
		}
	}
	if e.lock == "" {
		return nil, nil
	}
	candidates := []string{e.venv}
	if e.venv == "" {
		// What an activated shell says, and where the tools put it.
		candidates = []string{s.spec.Getenv("VIRTUAL_ENV"), path.Join("/", s.spec.Cwd, ".venv")}
	}
	var err error
	for _, venv := range candidates {
		if venv == "" {
			continue
		}
		if e.point, err = s.point("env", venv, container.PointOptions{Cover: s.profile.Override, Keep: true}); err == nil {
			e.venv = venv
			return e, nil
		}
	}
	if e.venv == "" {
		return nil, fmt.Errorf("no virtual environment: none named, and %w", err)
	}
	return nil, err
}

// findEnvironment looks the lock's layers up in the snapshot and adds the
// place. The tree is needed for it, so it is only done with a lease.
func (s *session) findEnvironment(e *environment) error {
	t, err := s.tree(owner(e.point), overlay.AnyBacking)
	if err != nil {
		return err
	}
	target, err := s.target(t, e)
	if err != nil {
		return err
	}
	detail, err := pypi.TargetOf(target)
	if err != nil {
		return err
	}
	read, err := s.readLock(e, lock.Environment(detail.Markers))
	if err != nil {
		return err
	}
	l := read.Requirements()
	found, err := snapshot.FindEnvironment(int(t.file.Fd()), target.Tag, l)
	if err != nil {
		return err
	}
	if len(found.Missing) > 0 {
		err := missing(found.Missing)
		if s.profile.Missing == "fail" {
			return err
		}
		if len(found.Lowers) > 0 {
			s.note("environment without " + err.Error())
		}
	}
	if len(found.Lowers) == 0 {
		return fmt.Errorf("snapshot %s has none of the %d packages of the lock for %s", s.id.Short(), len(l.Pins), target.Tag)
	}
	s.places = append(s.places, place{name: "env", point: e.point, lowers: found.Lowers, projects: found.Provided(l), keep: true})
	return nil
}

// missing names a few pins.
func missing(pins []snapshot.Pin) error {
	const most = 5
	var names []string
	for _, p := range pins[:min(most, len(pins))] {
		names = append(names, p.Name+"=="+p.Version)
	}
	more := ""
	if len(pins) > most {
		more = fmt.Sprintf(" and %d more", len(pins)-most)
	}
	return fmt.Errorf("%s%s, which the snapshot lacks", strings.Join(names, ", "), more)
}

func (s *session) readLock(e *environment, env lock.Environment) (*lock.Lock, error) {
	if e.ours {
		return lock.Read(e.lock, env)
	}
	data, err := s.c.ReadFile(e.lock, maxLock)
	if err != nil {
		return nil, err
	}
	dir := path.Dir(path.Clean(e.lock))
	return lock.Parse(e.lock, bytes.NewReader(data), env, func(name string) (io.ReadCloser, error) {
		if !path.IsAbs(name) {
			name = path.Join(dir, name)
		}
		data, err := s.c.ReadFile(name, maxLock)
		return io.NopCloser(bytes.NewReader(data)), err
	})
}

// target is the row of the target the environment is for: the profile's, else
// the one target of the snapshot that has the version of the virtual
// environment's interpreter. Python is not started.
func (s *session) target(t tree, e *environment) (snapshot.Target, error) {
	if s.profile.Target != "" {
		return snapshot.ReadTarget(int(t.file.Fd()), s.profile.Target)
	}
	cfg, err := s.c.ReadFile(path.Join(e.venv, "pyvenv.cfg"), maxConfig)
	if err != nil {
		return snapshot.Target{}, fmt.Errorf("no virtual environment: %w", err)
	}
	version := venvVersion(cfg)
	if version == "" {
		return snapshot.Target{}, fmt.Errorf("pyvenv.cfg in %.80q names no version", e.venv)
	}
	tags, err := snapshot.Targets(int(t.file.Fd()))
	if err != nil {
		return snapshot.Target{}, err
	}
	tag, err := chooseTarget(tags, version)
	if err != nil {
		return snapshot.Target{}, err
	}
	return snapshot.ReadTarget(int(t.file.Fd()), tag)
}

// venvVersion is what pyvenv.cfg says of the interpreter: "version = 3.11.2",
// or uv's and virtualenv's version_info.
func venvVersion(cfg []byte) string {
	lines := bufio.NewScanner(bytes.NewReader(cfg))
	for lines.Scan() {
		key, value, ok := strings.Cut(lines.Text(), "=")
		if key = strings.TrimSpace(key); ok && (key == "version" || key == "version_info") {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// chooseTarget finds the one target for an interpreter of this version.
func chooseTarget(tags []string, version string) (string, error) {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return "", fmt.Errorf("version %.40q of the virtual environment's interpreter is none", version)
	}
	prefix := "cp" + parts[0] + parts[1] + "-"
	fit := slices.DeleteFunc(slices.Clone(tags), func(t string) bool { return !strings.HasPrefix(t, prefix) })
	switch len(fit) {
	case 0:
		return "", fmt.Errorf("the snapshot has no target for Python %.40s, only %s", version, strings.Join(tags, ", "))
	case 1:
		return fit[0], nil
	}
	return "", fmt.Errorf("several targets for Python %.40s: %s; name one as target of the profile", version, strings.Join(fit, ", "))
}
