package lock

// walkPoetry finds what a lock of Poetry 1 installs. It starts from the packages
// that no other one depends on, which the project itself must have named, and
// follows dependencies whose markers hold. What is then reachable only where
// markers do not hold is left out.
func walkPoetry(set *pinSet, list []*poetryPackage) error {
	w := &poetryWalk{set: set, byName: make(map[string][]*poetryPackage)}
	needed := make(map[string]bool)
	for _, pkg := range list {
		if len(w.byName[pkg.pin.Name]) == maxForks {
			return pkg.pin.at().refuse(poetryFix, "more than %d packages with the name %s", maxForks, show(pkg.pin.Name))
		}
		w.byName[pkg.pin.Name] = append(w.byName[pkg.pin.Name], pkg)
		for _, dep := range pkg.needs {
			if dep.name != pkg.pin.Name {
				needed[dep.name] = true
			}
		}
	}
	for _, inCircle := range [...]bool{false, true} {
		for _, pkg := range list {
			if pkg.optional || pkg.linked || (needed[pkg.pin.Name] && !inCircle) {
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
		if pkg.taken {
			if err := pkg.add(set); err != nil {
				return err
			}
		}
	}
	return nil
}

type poetryWalk struct {
	set    *pinSet
	byName map[string][]*poetryPackage
}

// link marks everything that pkg can lead to.
func (w *poetryWalk) link(pkg *poetryPackage) {
	queue := []*poetryPackage{pkg}
	pkg.linked = true
	for len(queue) > 0 {
		pkg, queue = queue[0], queue[1:]
		for _, dep := range pkg.needs {
			for _, next := range w.byName[dep.name] {
				if !next.linked {
					next.linked = true
					queue = append(queue, next)
				}
			}
		}
	}
}

// follow takes start and what it leads to. The lock does not say which extras of a
// package are asked for, but what only others would need is marked optional; so
// every extra counts, and optional packages are left out.
func (w *poetryWalk) follow(start *poetryPackage) error {
	queue := []*poetryPackage{start}
	start.taken = true
	for len(queue) > 0 {
		pkg := queue[0]
		queue = queue[1:]
		for _, dep := range pkg.needs {
			ok, err := w.set.marker(pkg.pin.at(), dep.marker, pkg.extras, nil)
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
			if next != nil && !next.taken {
				next.taken = true
				queue = append(queue, next)
			}
		}
	}
	return nil
}

// choose is the package that a dependency means: the version it allows, for this
// Python and for Linux (Poetry 1 does not say that the project wants a package on
// other systems only). nil: the lock has none that is not optional.
func (w *poetryWalk) choose(from *poetryPackage, dep poetryDependency) (*poetryPackage, error) {
	r, err := parseConstraint(dep.constraint)
	if err != nil {
		return nil, from.pin.at().refuse(poetryFix, "%s needs %s: %s", show(from.pin.Name), show(dep.name), err)
	}
	var found []*poetryPackage
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
	return nil, from.pin.at().refuse(poetryFix, "%s needs %s, and %s and %s may be meant", show(from.pin.Name), show(dep.name),
		found[0].pin.at(), found[1].pin.at())
}
