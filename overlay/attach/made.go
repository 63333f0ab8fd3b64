package attach

import (
	"fmt"
	"slices"

	"larder/overlay"
)

// attachPrivate makes an environment that only the command has: its own files are made anew for each
// run, in memory, and are the lowest lower, as those of one that is there.
func (s *Session) attachPrivate(e *environment) error {
	lowers, err := e.newLowers()
	of := ""
	if err == nil {
		of, err = s.make(e, e.at.Path)
	}
	if err != nil {
		e.at.Abandon()
		return err
	}
	return s.mount(mount{part: "environment", name: "private", at: e.at, lowers: lowers, sealed: e.sealed, own: of, keep: true})
}

// attachFresh makes an environment where a container has none. Its own files are part of the instance, and
// stay with what is written over them.
func (s *Session) attachFresh(e *environment) error {
	lowers, err := e.newLowers()
	if err != nil {
		e.at.Abandon()
		return err
	}
	fill := func(dir string) error {
		_, err := s.make(e, dir)
		return err
	}
	return s.mount(mount{part: "environment", name: "env", at: e.at, lowers: lowers, sealed: e.sealed, own: e.at.Path, keep: true, fill: fill})
}

func (s *Session) make(e *environment, dir string) (of string, err error) {
	of, err = e.Make(dir, e.target, s.Locks.Made[e.target.Tag], e.at.Owner.UID, e.at.Owner.GID)
	if err != nil {
		err = fmt.Errorf("make a %s: %w", s.Locks.Ecosystem.Environments.Noun(), err)
	}
	return of, err
}

// newLowers are the lowers of a new environment: with an installer, which it has none of itself.
func (e *environment) newLowers() ([]string, error) {
	lowers := slices.Clone(e.lowers)
	needs, err := false, error(nil)
	if e.installer != "" {
		needs, err = e.NeedsInstaller(nil, e.want)
	}
	if needs {
		lowers = append(lowers, e.installer)
	}
	if err == nil && len(lowers) == 0 {
		err = &overlay.Problem{Kind: overlay.ErrRefused, Text: "the snapshot has nothing of the lock, and no installer for a new environment"}
	}
	return lowers, err
}
