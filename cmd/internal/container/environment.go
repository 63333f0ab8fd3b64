package container

import (
	"fmt"
	"path/filepath"
	"strings"

	"larder/overlay/attach"
	"larder/snapshot"
	"larder/snapshot/ecosystem"
)

// locks says what the container gets as an environment, and where; nil when it gets none. The path
// of a container's own lock is followed inside the container only.
func (a *Attach) locks() (*attach.Locks, error) {
	l := &attach.Locks{Dir: a.Profile.Venv, Target: a.Profile.Target, Files: ecosystem.Host{}, Store: a.Store, Getenv: a.Spec.Getenv, Found: a.found}
	path := a.Profile.Lock
	if (a.Lock != "" || a.Venv != "") && !a.Profile.AllowContainerLock {
		return nil, fmt.Errorf("the container asks for one, and profile %s does not allow it", a.Name)
	}
	if a.Lock != "" {
		path, l.Files, l.Beside = a.Lock, a.ns, filepath.Dir(a.Lock)
	}
	if a.Venv != "" {
		l.Dir = a.Venv
	}
	if path == "" {
		return nil, nil
	}
	l.Paths = []string{path}
	var err error
	l.Ecosystem, err = ecosystem.ForLocks(l.Paths)
	return l, err
}

// found judges what the snapshot has of the container's lock.
func (a *Attach) found(target snapshot.Target, want *snapshot.Requirements, found snapshot.Environment) ([]snapshot.Pin, error) {
	if len(want.Places) > 0 && len(found.Lowers) == 0 {
		unsealed := ""
		if found.Unsealed != nil {
			unsealed = fmt.Sprintf(", and none could be sealed (%v)", found.Unsealed)
		}
		return nil, fmt.Errorf("snapshot %s has no %s of the lock for %s%s: larder build --lock makes one", a.held.ID.Short(), a.session.Locks.Ecosystem.Environments.Noun(), target.Tag, unsealed)
	}
	if unrun := want.Unrun(); unrun != "" {
		a.Note(unrun)
	}
	if len(found.Missing) > 0 {
		err := missing(found)
		if a.Profile.Missing == "fail" {
			return nil, err
		}
		if len(found.Lowers) > 0 {
			a.Note("environment without " + err.Error())
		}
	}
	if len(found.Lowers) == 0 {
		return nil, fmt.Errorf("snapshot %s has none of the %d packages of the lock for %s%s", a.held.ID.Short(), len(want.Pins), target.Tag, untrusted(found))
	}
	return nil, nil
}

// missing names a few pins that a snapshot lacks.
func missing(found snapshot.Environment) error {
	const most = 5
	var names []string
	pins := found.Missing
	for _, p := range pins[:min(most, len(pins))] {
		names = append(names, p.Name+"=="+p.Version)
	}
	more := ""
	if len(pins) > most {
		more = fmt.Sprintf(" and %d more", len(pins)-most)
	}
	return fmt.Errorf("%s%s, which the snapshot lacks%s", strings.Join(names, ", "), more, untrusted(found))
}

// untrusted says what would have more of a lock count, as the rest of a line.
func untrusted(found snapshot.Environment) string {
	if found.Trust == snapshot.NoBuilt {
		return ""
	}
	return fmt.Sprintf(" (with built = %q in the profile, what it has built from sources counts)", found.Trust)
}
