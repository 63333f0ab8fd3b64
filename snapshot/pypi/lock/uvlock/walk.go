package uvlock

import (
	"fmt"
	"slices"
	"strings"

	"larder/snapshot/pypi/lock/pins"
	"larder/snapshot/pypi/pep508"
)

// maxForks bounds the packages of one name; a fork for every Python and system has
// some 20.
const maxForks = 256

// maxActive bounds the names that conflict markers may ask for.
const maxActive = 64

// wanted is what a dependency says of the package it means.
type wanted struct{ name, version, source, place string }

type node struct {
	pkg   *entry
	extra string // "" for the package itself
}

type walk struct {
	set     *pins.Set
	file    string
	members map[string]bool // names in the workspace
	all     []*entry
	byName  map[string][]*entry
	seen    map[node]bool
	queue   []node
	found   map[wanted]*entry // what find answered
	here    map[*entry]bool   // whether the resolution markers of a package hold, once known
	active  []string          // what conflict markers ask for, as uv encodes it
}

func (w *walk) run(manifest []dependency) error {
	roots := w.roots()
	if len(roots) == 0 && len(manifest) == 0 && len(w.all) > 0 {
		return pins.Refuse(w.file, 0, fix, "has no project that the packages are for")
	}
	// Where extras conflict, markers ask for them by encoded names; which ones are
	// active shows only on the way, so the walk is repeated until they stay the same.
	for round := 0; ; round++ {
		before := slices.Clone(w.active)
		w.seen, w.queue = make(map[node]bool), nil
		clear(w.here)
		clear(w.found)
		for _, r := range roots {
			w.activate("project", r.name, "")
			w.activate("group", r.name, "dev")
			w.visit(node{r, ""})
			if err := w.follow(r.groups["dev"]); err != nil {
				return err
			}
		}
		if err := w.follow(manifest); err != nil {
			return err
		}
		for len(w.queue) > 0 {
			n := w.queue[0]
			w.queue = w.queue[1:]
			deps := n.pkg.dependencies
			if n.extra != "" {
				deps = n.pkg.extras[n.extra]
			}
			if err := w.follow(deps); err != nil {
				return err
			}
		}
		if slices.Equal(before, w.active) || round == 8 {
			break
		}
	}
	for _, pkg := range w.all {
		if w.seen[node{pkg, ""}] {
			if err := w.take(pkg); err != nil {
				return err
			}
		}
	}
	return nil
}

// roots is the project that the lock lies beside, or all members of a workspace
// whose root is no project.
func (w *walk) roots() []*entry {
	var roots []*entry
	for _, pkg := range w.all {
		if pkg.isRoot() {
			return []*entry{pkg}
		}
		if w.members[pkg.name] {
			roots = append(roots, pkg)
		}
	}
	return roots
}

func (pkg *entry) isRoot() bool {
	return pkg.place == "." && (pkg.source == "editable" || pkg.source == "virtual" || pkg.source == "directory")
}

func (w *walk) activate(kind, name, item string) {
	code := fmt.Sprintf("%s-%d-%s", kind, len(name), name)
	if item != "" {
		code += "-" + item
	}
	if !slices.Contains(w.active, code) {
		w.active = append(w.active, code)
	}
}

func (w *walk) visit(n node) {
	if !w.seen[n] {
		w.seen[n] = true
		w.queue = append(w.queue, n)
	}
}

func (w *walk) follow(deps []dependency) error {
	for _, dep := range deps {
		ok, err := w.set.Marker(w.file, dep.line, dep.marker, w.active, nil)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		pkg, err := w.find(dep)
		if err != nil {
			return err
		}
		w.visit(node{pkg, ""})
		for _, x := range dep.extras {
			x = pep508.Normalize(x)
			w.visit(node{pkg, x})
			if len(w.active) < maxActive { // only the user's own projects have conflicts
				if pkg.source == "editable" || pkg.source == "virtual" {
					w.activate("extra", pkg.name, x)
				}
			}
		}
	}
	return nil
}

// find is the package a dependency means. uv writes version and source only where
// several packages have the name.
func (w *walk) find(dep dependency) (*entry, error) {
	key := wanted{dep.name, dep.version, dep.source, dep.place}
	if pkg := w.found[key]; pkg != nil {
		return pkg, nil
	}
	var found []*entry
	for _, pkg := range w.byName[dep.name] {
		if (dep.version == "" || dep.version == pkg.version) && (dep.source == "" || dep.source == pkg.source && dep.place == pkg.place) {
			found = append(found, pkg)
		}
	}
	if len(found) > 1 {
		var here []*entry
		for _, pkg := range found {
			ok, err := w.isHere(pkg)
			if err != nil {
				return nil, err
			}
			if ok {
				here = append(here, pkg)
			}
		}
		if len(here) > 0 {
			found = here
		}
	}
	switch len(found) {
	case 0:
		return nil, pins.Refuse(w.file, dep.line, fix, "depends on %s, which the lock lacks", pins.Show(strings.TrimSpace(dep.name+" "+dep.version)))
	case 1:
		w.found[key] = found[0]
		return found[0], nil
	}
	return nil, pins.Refuse(w.file, dep.line, fix, "depends on %s, and %s and %s may be meant", pins.Show(dep.name),
		pins.Where(w.file, found[0].line), pins.Where(w.file, found[1].line))
}

// isHere tells whether one of the package's resolution markers holds.
func (w *walk) isHere(pkg *entry) (bool, error) {
	if ok, known := w.here[pkg]; known {
		return ok, nil
	}
	holds := false
	for _, m := range pkg.markers {
		ok, err := w.set.Marker(w.file, pkg.line, m, w.active, nil)
		if err != nil {
			return false, err
		}
		holds = holds || ok
	}
	w.here[pkg] = holds
	return holds, nil
}

// take makes a pin of a package that was reached.
func (w *walk) take(pkg *entry) error {
	switch {
	case pkg.source == "registry":
	case pkg.source == "virtual", pkg.isRoot(), w.members[pkg.name]:
		w.set.LeaveOut(pkg.name)
		return nil
	default:
		what := map[string]string{"git": "a repository", "url": "a URL", "path": "a file", "directory": "a directory", "editable": "an editable directory"}[pkg.source]
		if what == "" {
			what = "an unknown source"
		}
		return pins.Refuse(w.file, pkg.line, "depend on a release of it from an index", "%s comes from %s, which no index serves", pins.Show(pkg.name), what)
	}
	if pkg.wheels > 0 && len(pkg.hashes) == 0 && strings.Contains(pkg.place, "://") {
		return pins.Refuse(w.file, pkg.line, "use an index that tells SHA-256 hashes, then: uv lock", "no wheel of %s has a SHA-256", pins.Show(pkg.name))
	}
	return w.set.Add(pins.Pin{Name: pkg.name, Version: pkg.version, Hashes: pkg.hashes, SdistOnly: pkg.wheels == 0, File: w.file, Line: pkg.line})
}
