package poetrylock

import "larder/snapshot/pypi/lock/pins"

// maxForks bounds the packages of one name.
const maxForks = 256

// walkAll finds what a lock of Poetry 1 installs. It starts from the packages
// that no other one depends on, which the project itself must have named, and
// follows dependencies whose markers hold. What is then reachable only where
// markers do not hold is left out.
func walkAll(set *pins.Set, list []*entry) error {
	w := &walk{set: set, byName: make(map[string][]*entry), linked: make(map[*entry]bool), taken: make(map[*entry]bool)}
	needed := make(map[string]bool)
	for _, pkg := range list {
		if len(w.byName[pkg.name]) == maxForks {
			return pins.Refuse(pkg.pin.File, pkg.line, fix, "more than %d packages with the name %s", maxForks, pins.Show(pkg.name))
		}
		w.byName[pkg.name] = append(w.byName[pkg.name], pkg)
		for _, dep := range pkg.needs {
			if dep.name != pkg.name {
				needed[dep.name] = true
			}
		}
	}
	for _, inCircle := range [...]bool{false, true} {
		for _, pkg := range list {
			if pkg.optional || w.linked[pkg] || (needed[pkg.name] && !inCircle) {
				continue
			}
			w.link(pkg)
			if pkg.fits {
				if err := w.follow(pkg); err != nil {
					return err
				}
			}
		}
	}
	for _, pkg := range list {
		if w.taken[pkg] {
			if err := add(set, pkg); err != nil {
				return err
			}
		}
	}
	return nil
}

type walk struct {
	set    *pins.Set
	byName map[string][]*entry
	linked map[*entry]bool // reachable if all markers held
	taken  map[*entry]bool
}

// link marks everything that pkg can lead to.
func (w *walk) link(pkg *entry) {
	queue := []*entry{pkg}
	w.linked[pkg] = true
	for len(queue) > 0 {
		pkg, queue = queue[0], queue[1:]
		for _, dep := range pkg.needs {
			for _, next := range w.byName[dep.name] {
				if !w.linked[next] {
					w.linked[next] = true
					queue = append(queue, next)
				}
			}
		}
	}
}

// follow takes start and what it leads to. The lock does not say which extras of a
// package are asked for, but what only others would need is marked optional; so
// every extra counts, and optional packages are left out.
func (w *walk) follow(start *entry) error {
	queue := []*entry{start}
	w.taken[start] = true
	for len(queue) > 0 {
		pkg := queue[0]
		queue = queue[1:]
		for _, dep := range pkg.needs {
			ok, err := w.set.Marker(pkg.pin.File, pkg.line, dep.marker, pkg.extras, nil)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
			next, err := w.choose(pkg, dep)
			if err != nil {
				return err
			}
			if next != nil && !w.taken[next] {
				w.taken[next] = true
				queue = append(queue, next)
			}
		}
	}
	return nil
}

// choose is the package that a dependency means: the version it allows, for this
// Python and for Linux (Poetry 1 does not say that the project wants a package on
// other systems only). nil: the lock has none that is not optional.
func (w *walk) choose(from *entry, dep dependency) (*entry, error) {
	r, err := parseConstraint(dep.constraint)
	if err != nil {
		return nil, pins.Refuse(from.pin.File, from.line, fix, "%s needs %s: %s", pins.Show(from.name), pins.Show(dep.name), err)
	}
	var found []*entry
	for _, pkg := range w.byName[dep.name] {
		if !pkg.optional && pkg.fits && !pkg.release.IsZero() && r.contains(pkg.release) {
			found = append(found, pkg)
		}
	}
	switch len(found) {
	case 0:
		return nil, nil
	case 1:
		return found[0], nil
	}
	return nil, pins.Refuse(from.pin.File, from.line, fix, "%s needs %s, and %s and %s may be meant", pins.Show(from.name), pins.Show(dep.name),
		pins.Where(found[0].pin.File, found[0].line), pins.Where(found[1].pin.File, found[1].line))
}
