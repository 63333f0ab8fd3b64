package attach

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"larder/overlay"
	"larder/snapshot"
	"larder/snapshot/ecosystem"
)

// Locks say what is mounted as an environment, and where.
type Locks struct {
	Ecosystem ecosystem.Ecosystem // with locks and environments
	Paths     []string
	Files     ecosystem.Files         // the locks are read from
	Dir       string                  // of the environment; "" the usual one, else a new one of a command's own
	Beside    string                  // the locks' directory, where that is in the namespace; else ""
	Flag      string                  // that names Dir, for hints
	Getenv    func(key string) string // names the usual ones
	Target    string                  // its tag; "" the one that fits
	Scripts   bool                    // run what packages want to run when they are installed
	Made      map[string]string       // what the build made its targets of, on this host, by tag
	Store     *snapshot.Store         // where an environment that no build merged is sealed; nil: nowhere
	// Found is told what the snapshot has of the locks, and says what of the rest the environment's
	// own installer gets to do. An error ends the part.
	Found func(target snapshot.Target, want *snapshot.Requirements, found snapshot.Environment) (install []snapshot.Pin, err error)
}

// Environment is what was attached of the locks.
type Environment struct {
	ecosystem.Environment
	Dir     string
	Install []snapshot.Pin // what is left to its installer
	// Scripts run what packages want to run when they are installed; none where nobody wants that, or it is done.
	Scripts []ecosystem.Install
}

// ErrTargets means that more than one target fits.
var ErrTargets = errors.New("more than one target fits")

// environment is one to be mounted, and what the locks need of the snapshot for it.
type environment struct {
	ecosystem.Environment
	at      *overlay.Point
	private bool   // it is a new one, of a command's own
	fresh   bool   // it is a new one, where a container has none
	alone   bool   // it is the locks' alone
	dir     string // of one that is alone: as it was named, links not followed

	target    snapshot.Target
	want      *snapshot.Requirements
	lowers    []string
	sealed    *sealed  // the lowers are in this image; nil: in the snapshot's
	projects  []string // that the lowers hold
	installer string   // layer of the target's, "" when there is none
	install   []snapshot.Pin
}

func (s *Session) attachEnvironment() error {
	e, err := s.findEnvironment()
	if err != nil {
		return err
	}
	dir := e.at.Path
	if err := s.plan(e); err != nil {
		e.at.Abandon()
		return err
	}
	switch {
	case e.alone:
		err = s.attachAlone(e)
	case e.private:
		err = s.attachPrivate(e)
	case e.fresh:
		err = s.attachFresh(e)
	default:
		err = s.attachExisting(e)
	}
	if errors.Is(err, overlay.ErrDepth) && !e.private && !e.alone {
		return s.insteadOf(e, dir, err)
	}
	if err == nil {
		s.Env = &Environment{e.Environment, dir, e.install, s.scripts(e, dir)}
	}
	return err
}

// attachExisting mounts on an environment that is there, which is all there is to do where the
// snapshot has nothing for it.
func (s *Session) attachExisting(e *environment) error {
	lowers, err := s.withInstaller(e)
	if err != nil || len(lowers) == 0 {
		e.at.Abandon()
		return err
	}
	mask := func(own *os.File) (func(string) error, error) { return e.Mask(own, e.projects) }
	return s.mount(mount{part: "environment", name: "env", at: e.at, lowers: lowers, sealed: e.sealed, own: e.at.Path, keep: true, mask: mask})
}

// insteadOf makes a new environment, where there can be one, instead of the one at dir, which is
// too deep.
func (s *Session) insteadOf(e *environment, dir string, deep error) (err error) {
	if e.at, err = s.Private(); err != nil || e.at == nil {
		return errors.Join(deep, err)
	}
	if e.Environment, err = s.Locks.Ecosystem.Environments.Open(s, ""); err != nil {
		e.at.Abandon()
		return err
	}
	s.Note(dir + " lies on stacked file systems: its own packages are left out, the environment is a private one")
	dir = e.at.Path
	if err = s.attachPrivate(e); err == nil {
		s.Env = &Environment{e.Environment, dir, e.install, nil}
	}
	return err
}

// findEnvironment finds the environment to mount on: the one that was named, the usual one, or a new
// one.
func (s *Session) findEnvironment() (*environment, error) {
	l := s.Locks
	if l.Ecosystem.Environments.Alone() {
		return s.findAlone()
	}
	if l.Dir != "" {
		return s.namedEnvironment(l.Dir)
	}
	usual := l.Ecosystem.Environments.Usual(s.WorkDir(), l.Getenv)
	for _, dir := range usual {
		on, err := l.Ecosystem.Environments.Open(s, dir)
		if missing(err) {
			if errors.Is(err, unix.ENOTDIR) && !s.IsDir(dir) {
				s.Note(fmt.Sprintf("%s is a file, and no %s: the packages are in a private one", dir, l.Ecosystem.Environments.Noun()))
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		at, err := s.Environment(dir, false)
		return &environment{Environment: on, at: at}, err
	}
	at, err := s.Private()
	if err == nil && at == nil {
		err = fmt.Errorf("no %s: none named, and none at %s", l.Ecosystem.Environments.Noun(), strings.Join(usual, " or "))
	}
	if err != nil {
		return nil, err
	}
	on, err := l.Ecosystem.Environments.Open(s, "")
	return &environment{Environment: on, at: at, private: true}, err
}

func (s *Session) namedEnvironment(dir string) (*environment, error) {
	at, err := s.Environment(dir, false)
	if err != nil && !missing(err) {
		return nil, err
	}
	if at != nil {
		dir = at.Path
	}
	on, readErr := s.Locks.Ecosystem.Environments.Open(s, dir)
	if missing(readErr) && at != nil && at.Below == nil {
		return &environment{Environment: s.Locks.Ecosystem.Environments.New(s, s.Getenv), at: at, fresh: true}, nil
	}
	if readErr != nil { // it says better what is missing
		err = readErr
	}
	if err == nil {
		return &environment{Environment: on, at: at}, nil
	}
	if at != nil {
		at.Abandon()
	}
	return nil, Fatal(err)
}

// missing says that there is no environment, and nothing worse.
func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR)
}

// plan looks up what the locks need: the environment decides the target, that the pins, those the
// layers.
func (s *Session) plan(e *environment) error {
	t, err := s.tree(e.at.Owner, overlay.AnyBacking)
	if err != nil {
		return err
	}
	if e.target, err = s.target(t.file, e); err != nil {
		return err
	}
	if e.want, err = s.Locks.Ecosystem.Locks.Read(s.Locks.Files, s.Locks.Paths, e.target); err != nil {
		return Fatal(err)
	}
	found, err := snapshot.FindEnvironment(snapshot.Tree(t.file.Fd()), e.target.Tag, s.Built, e.want)
	if err != nil {
		return err
	}
	s.seal(e, &found)
	e.lowers, e.projects = found.Lowers, found.Provided(e.want)
	if e.target.Installer != "" {
		e.installer = snapshot.LayerPath(e.target.Installer)
	}
	e.install, err = s.Locks.Found(e.target, e.want, found)
	return err
}

// target chooses the row of the snapshot to mount: the one that was named, else the one that fits
// the environment. Where that leaves a choice, nothing is guessed: a lock on the wrong target would
// be another environment.
func (s *Session) target(tree *os.File, e *environment) (snapshot.Target, error) {
	fd := int(tree.Fd())
	tags, err := snapshot.Targets(fd)
	if err != nil {
		return snapshot.Target{}, err
	}
	if tag := s.Locks.Target; tag != "" {
		t, err := snapshot.ReadTarget(fd, tag)
		if errors.Is(err, fs.ErrNotExist) {
			err = &overlay.Problem{Kind: err, Text: fmt.Sprintf("the snapshot has nothing for target %s (it has %s)", tag, strings.Join(tags, ", ")),
				Advice: "build for it with larder build --target " + tag}
		}
		if err != nil {
			return t, Fatal(err)
		}
		return t, nil
	}
	var all []snapshot.Target
	for _, tag := range tags {
		t, err := snapshot.ReadTarget(fd, tag)
		if err != nil {
			return t, err
		}
		all = append(all, t)
	}
	fits := e.Targets(all, s.Locks.Made)
	switch {
	case len(fits) == 1:
		return fits[0], nil
	case len(fits) > 1:
		return snapshot.Target{}, Fatal(&overlay.Problem{Kind: ErrTargets, Text: "the snapshot has several targets: " + tagsOf(fits), Advice: "choose one with --target"})
	case !e.private:
		return snapshot.Target{}, &overlay.Problem{Kind: overlay.ErrRefused, Text: fmt.Sprintf("the snapshot has nothing for %s (it has %s)", e, strings.Join(tags, ", ")),
			Advice: "build for it with larder build --target"}
	}
	return snapshot.Target{}, &overlay.Problem{Kind: overlay.ErrRefused, Text: "the snapshot has no target", Advice: "build one with larder build --lock"}
}

func tagsOf(targets []snapshot.Target) string {
	tags := make([]string, len(targets))
	for i, t := range targets {
		tags[i] = t.Tag
	}
	return strings.Join(tags, ", ")
}

// withInstaller are an environment's lowers, with the target's installer where its own files have
// none: else the command's installer, and that for what is missing, would be the host's or nobody's.
func (s *Session) withInstaller(e *environment) ([]string, error) {
	with := append(slices.Clone(e.lowers), e.installer)
	if e.installer == "" || e.at.Below == nil || len(with)+2 > overlay.MaxLowers {
		return e.lowers, nil
	}
	if had, there := s.Instance.Recorded("env"); there { // as it was made
		if slices.Contains(had, s.Snapshot.ID+"/"+e.installer) {
			return with, nil
		}
		return e.lowers, nil
	}
	needs, err := e.NeedsInstaller(e.at.Below, e.want)
	if err != nil && !s.Required {
		s.Note(err.Error())
		return e.lowers, nil
	}
	if err != nil || !needs {
		return e.lowers, err
	}
	return with, nil
}
