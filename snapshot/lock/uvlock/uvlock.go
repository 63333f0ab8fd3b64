// Package uvlock reads uv.lock (version 1).
//
// It walks the lock from the project, or from all members of a workspace whose
// root is none, with their group "dev", as `uv sync` does. Where a project declares
// conflicts, uv asks for extras and groups in markers by encoded names such as
// "extra-4-name-x"; those that are active are given to the markers.
package uvlock

import (
	"fmt"
	"slices"
	"strings"

	"larder/snapshot/lock/pins"
	"larder/snapshot/lock/tomltree"
	"larder/snapshot/pep508"
)

const fix = "make the lock anew: uv lock"

// entry is one [[package]] of a uv.lock.
type entry struct {
	name, version string
	line          int
	source, place string // "registry" and its place, and so on
	markers       []string
	dependencies  []dependency
	extras        map[string][]dependency
	groups        map[string][]dependency
	hashes        []string
	wheels        int
}

type dependency struct {
	name, version, marker string
	source, place         string
	extras                []string
	line                  int
}

// maxForks bounds the packages of one name; a fork for every Python and system has
// some 20.
const maxForks = 256

// maxActive bounds the names that conflict markers may ask for.
const maxActive = 64

var sources = [...]string{"registry", "git", "url", "path", "directory", "editable", "virtual"}

// Read reads a uv.lock and walks it from the project as `uv sync` does: its
// dependencies and its group "dev".
func Read(set *pins.Set, file string, data []byte) error {
	root, err := tomltree.Parse(file, data)
	if err != nil {
		return err
	}
	d := &tomltree.Decoder{File: file}
	if v, _, ok := tomltree.Get[tomltree.Scalar](d, root, "version", "number"); d.Err != nil || !ok || v != "1" {
		return pins.Refuse(file, 0, fix+" (version 1)", "version is %s, only 1 can be read", pins.Show(string(v)))
	}
	clause := d.Text(root, "requires-python")
	supported := d.Texts(root, "supported-markers")
	manifest := d.Table(root, "manifest")
	w := &walk{set: set, file: file, members: make(map[string]bool), byName: make(map[string][]*entry), found: make(map[wanted]*entry), here: make(map[*entry]bool)}
	for _, m := range d.Texts(manifest, "members") {
		w.members[pep508.Normalize(m)] = true
	}
	for _, t := range d.Tables(root, "package") {
		pkg := decode(d, t)
		if len(w.byName[pkg.name]) == maxForks {
			return pins.Refuse(file, pkg.line, fix, "more than %d packages with the name %s", maxForks, pins.Show(pkg.name))
		}
		w.byName[pkg.name] = append(w.byName[pkg.name], pkg)
		w.all = append(w.all, pkg)
	}
	groups := d.Table(manifest, "dependency-groups")
	dev := dependencies(d, groups, "dev")
	extra := dependencies(d, manifest, "requirements")
	if d.Err != nil {
		return d.Err
	}
	if err := set.RequiresPython(file, 0, "the lock", clause); err != nil {
		return err
	}
	if err := set.AnyEnvironment(file, supported); err != nil {
		return err
	}
	return w.run(append(extra, dev...))
}

func decode(d *tomltree.Decoder, t *tomltree.Table) *entry {
	pkg := &entry{
		name: pep508.Normalize(d.Text(t, "name")), version: d.Text(t, "version"), line: t.Line,
		markers:      d.Texts(t, "resolution-markers"),
		dependencies: dependencies(d, t, "dependencies"),
		extras:       sets(d, d.Table(t, "optional-dependencies")),
		groups:       sets(d, d.Table(t, "dev-dependencies")),
	}
	pkg.source, pkg.place = source(d, d.Table(t, "source"))
	for _, w := range d.Tables(t, "wheels") {
		pkg.wheels++
		if h, ok := pins.Hash(d.Text(w, "hash")); ok {
			pkg.hashes = append(pkg.hashes, h)
		}
	}
	return pkg
}

func source(d *tomltree.Decoder, t *tomltree.Table) (source, place string) {
	for _, s := range sources {
		if t.Has(s) {
			return s, d.Text(t, s)
		}
	}
	return "", ""
}

func sets(d *tomltree.Decoder, t *tomltree.Table) map[string][]dependency {
	if t == nil {
		return nil
	}
	sets := make(map[string][]dependency)
	for key := range t.Keys() {
		name := pep508.Normalize(key)
		sets[name] = append(sets[name], dependencies(d, t, key)...)
	}
	return sets
}

func dependencies(d *tomltree.Decoder, t *tomltree.Table, key string) []dependency {
	var list []dependency
	for _, e := range d.Tables(t, key) {
		dep := dependency{
			name: pep508.Normalize(d.Text(e, "name")), version: d.Text(e, "version"), marker: d.Text(e, "marker"),
			extras: d.Texts(e, "extra"), line: e.Line,
		}
		if len(dep.extras) == 0 {
			dep.extras = d.Texts(e, "extras")
		}
		dep.source, dep.place = source(d, d.Table(e, "source"))
		list = append(list, dep)
	}
	return list
}

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
