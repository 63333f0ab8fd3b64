package main

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"larder/overlay/attach"
	"larder/snapshot"
	"larder/snapshot/ecosystem"
)

// environment says what of the locks is mounted, and where; nil without locks. made is what the
// snapshot's targets were built with, by tag.
func (r *running) environment(made map[string]string) (*attach.Locks, error) {
	locks := r.c.StringSlice("requirement")
	if len(locks) == 0 {
		return nil, nil
	}
	e, err := ecosystem.ForLocks(locks)
	if err != nil {
		return nil, attach.Fatal(err)
	}
	scripts, err := r.scripts(e)
	if err != nil {
		return nil, attach.Fatal(err)
	}
	dir := r.c.String("venv")
	if dir != "" {
		if dir, err = filepath.Abs(dir); err != nil {
			return nil, err
		}
	}
	beside, err := filepath.Abs(filepath.Dir(locks[0]))
	if err != nil {
		return nil, err
	}
	return &attach.Locks{
		Ecosystem: e, Paths: locks, Beside: beside, Files: ecosystem.Host{}, Dir: dir, Flag: "--venv", Target: r.settings.Target, Scripts: scripts, Made: made, Store: r.store,
		Getenv: func(string) string { return "" }, // one that the caller's shell activated is not the command's
		Found:  r.found,
	}, nil
}

// scripts says whether what packages want to run when they are installed runs before the command. No
// configuration says so for all commands: it is their code.
func (r *running) scripts(e ecosystem.Ecosystem) (bool, error) {
	switch choice := r.c.String("scripts"); choice {
	case "", "none":
		return false, nil
	case "run":
	default:
		return false, usagef("--scripts %q is none of none, run", choice)
	}
	if _, ok := e.Environments.Scripts("", nil); !ok {
		return false, usagef("--scripts run: packages of a %s run nothing when they are installed", e.Environments.Noun()).hint("leave it out")
	}
	return true, nil
}

// found deals with what the snapshot lacks of the locks.
func (r *running) found(target snapshot.Target, want *snapshot.Requirements, found snapshot.Environment) (install []snapshot.Pin, err error) {
	if len(want.LeftOut) > 0 {
		warnf("%s: not packages of an index, left out: %s", strings.Join(r.Locks.Paths, ", "), strings.Join(want.LeftOut, ", "))
	}
	r.lack(found.Missing, target)
	if len(want.Places) > 0 && len(found.Lowers) == 0 {
		return nil, r.unmade(target, found.Unsealed)
	}
	if unrun := want.Unrun(); unrun != "" && !r.Locks.Scripts {
		warnf("%s: %s (--scripts run runs them)", strings.Join(r.Locks.Paths, ", "), unrun)
	}
	if len(found.Missing) == 0 || r.settings.Missing == "pip" {
		return found.Missing, nil
	}
	names := make([]string, len(found.Missing))
	for i, p := range found.Missing {
		names[i] = p.Name + "==" + p.Version
	}
	text := fmt.Sprintf("the snapshot lacks %d of the lock for %s: %s", len(names), target.Tag, strings.Join(names, ", "))
	advice := sourceAdvice(found)
	if r.settings.Missing == "fail" {
		return nil, attach.Fatal(&missingError{text, cmp.Or(advice, "stock them with larder build --lock FILE, or let pip install them with --missing pip")})
	}
	if advice != "" {
		text += " (" + advice + ")"
	}
	warnf("%s", text)
	return nil, nil
}

// unmade says that a snapshot has no environment of a lock, and that none was sealed.
func (r *running) unmade(target snapshot.Target, why error) error {
	lock := r.Locks.Paths[0]
	text := fmt.Sprintf("the snapshot has no %s of %s for %s", r.Locks.Ecosystem.Environments.Noun(), lock, target.Tag)
	if why != nil {
		text += ", and none could be sealed: " + why.Error()
	}
	err := error(&missingError{text, "larder build --lock " + lock + " makes one"})
	if r.settings.Missing == "fail" {
		err = attach.Fatal(err)
	}
	return err
}

// sourceAdvice is how to have what a snapshot lacks of a lock where that is a matter of sources; else "".
func sourceAdvice(found snapshot.Environment) string {
	switch {
	case found.Trust != snapshot.NoBuilt:
		return fmt.Sprintf("--built %s counts what it has built from sources", found.Trust)
	case slices.ContainsFunc(found.Missing, snapshot.Pin.OnlySource):
		return "larder build --lock FILE --sdists pure builds what has only a source"
	}
	return ""
}

// missingError fails a run whose lock cannot be had whole.
type missingError struct{ text, advice string }

func (e *missingError) Error() string { return e.text }
func (e *missingError) Hint() string  { return e.advice }

// interpreters are the executables that a snapshot was built with, by target.
func interpreters(s *snapshot.Store, id snapshot.ID) map[string]string {
	all, err := s.List()
	if err != nil {
		return nil
	}
	if at := slices.IndexFunc(all, func(p snapshot.Published) bool { return p.ID == id }); at >= 0 {
		return all[at].Interpreters
	}
	return nil
}
