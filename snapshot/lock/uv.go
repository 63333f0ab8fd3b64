package lock

import (
	"fmt"
	"slices"
	"strings"

	"larder/snapshot/pep508"
)

const uvFix = "make the lock anew: uv lock"

// uvPackage is one [[package]] of a uv.lock.
type uvPackage struct {
	name, version string
	line          int
	source, place string // "registry" and its place, and so on
	markers       []string
	dependencies  []uvDependency
	extras        map[string][]uvDependency
	groups        map[string][]uvDependency
	hashes        []string
	wheels        int
}

type uvDependency struct {
	name, version, marker string
	source, place         string
	extras                []string
	line                  int
}

var uvSources = [...]string{"registry", "git", "url", "path", "directory", "editable", "virtual"}

// uv reads a uv.lock and walks it from the project as `uv sync` does: its
// dependencies and its group "dev".
func (p *parser) uv(file string, data []byte) error {
	root, err := parseTOML(file, data)
	if err != nil {
		return err
	}
	d := &decoder{file: file}
	if v, _, ok := get[scalar](d, root, "version", "number"); d.err != nil || !ok || v != "1" {
		return refuse(file, 0, uvFix+" (version 1)", "version is %s, only 1 can be read", show(string(v)))
	}
	clause := d.text(root, "requires-python")
	supported := d.texts(root, "supported-markers")
	manifest := d.table(root, "manifest")
	members := d.texts(manifest, "members")
	w := &uvWalk{p: p, file: file, byName: make(map[string][]*uvPackage), seen: make(map[uvNode]bool)}
	for _, t := range d.tables(root, "package") {
		pkg := uvDecode(d, t)
		w.byName[pkg.name] = append(w.byName[pkg.name], pkg)
		w.all = append(w.all, pkg)
	}
	groups := d.table(manifest, "dependency-groups")
	dev := uvDependencies(d, groups, "dev")
	extra := uvDependencies(d, manifest, "requirements")
	if d.err != nil {
		return d.err
	}
	if err := p.requiresPython(file, 0, "the lock", clause); err != nil {
		return err
	}
	if err := p.anyEnvironment(file, supported); err != nil {
		return err
	}
	return w.run(members, append(extra, dev...))
}

func uvDecode(d *decoder, t *table) *uvPackage {
	pkg := &uvPackage{
		name: pep508.Normalize(d.text(t, "name")), version: d.text(t, "version"), line: t.line,
		markers:      d.texts(t, "resolution-markers"),
		dependencies: uvDependencies(d, t, "dependencies"),
		extras:       uvSets(d, d.table(t, "optional-dependencies")),
		groups:       uvSets(d, d.table(t, "dev-dependencies")),
	}
	pkg.source, pkg.place = uvSource(d, d.table(t, "source"))
	for _, w := range d.tables(t, "wheels") {
		pkg.wheels++
		if h, ok := hash(d.text(w, "hash")); ok {
			pkg.hashes = append(pkg.hashes, h)
		}
	}
	return pkg
}

func uvSource(d *decoder, t *table) (source, place string) {
	for _, s := range uvSources {
		if t.has(s) {
			return s, d.text(t, s)
		}
	}
	return "", ""
}

func uvSets(d *decoder, t *table) map[string][]uvDependency {
	if t == nil {
		return nil
	}
	sets := make(map[string][]uvDependency)
	for key := range t.keys {
		name := pep508.Normalize(key)
		sets[name] = append(sets[name], uvDependencies(d, t, key)...)
	}
	return sets
}

func uvDependencies(d *decoder, t *table, key string) []uvDependency {
	var list []uvDependency
	for _, e := range d.tables(t, key) {
		dep := uvDependency{
			name: pep508.Normalize(d.text(e, "name")), version: d.text(e, "version"), marker: d.text(e, "marker"),
			extras: d.texts(e, "extra"), line: e.line,
		}
		if len(dep.extras) == 0 {
			dep.extras = d.texts(e, "extras")
		}
		dep.source, dep.place = uvSource(d, d.table(e, "source"))
		list = append(list, dep)
	}
	return list
}

type uvNode struct {
	pkg   *uvPackage
	extra string // "" for the package itself
}

type uvWalk struct {
	p      *parser
	file   string
	all    []*uvPackage
	byName map[string][]*uvPackage
	seen   map[uvNode]bool
	queue  []uvNode
	active []string // what conflict markers ask for, as uv encodes it
}

func (w *uvWalk) run(members []string, manifest []uvDependency) error {
	roots := w.roots(members)
	if len(roots) == 0 && len(manifest) == 0 && len(w.all) > 0 {
		return refuse(w.file, 0, uvFix, "has no project that the packages are for")
	}
	// Where extras conflict, markers ask for them by encoded names; which ones are
	// active shows only on the way, so the walk is repeated until they stay the same.
	for round := 0; ; round++ {
		before := slices.Clone(w.active)
		w.seen, w.queue = make(map[uvNode]bool), nil
		for _, r := range roots {
			w.activate("project", r.name, "")
			w.activate("group", r.name, "dev")
			w.visit(uvNode{r, ""})
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
		if w.seen[uvNode{pkg, ""}] {
			if err := w.take(pkg, members, slices.Contains(roots, pkg)); err != nil {
				return err
			}
		}
	}
	return nil
}

// roots is the project that the lock lies beside, or all members of a workspace
// whose root is no project.
func (w *uvWalk) roots(members []string) []*uvPackage {
	var roots []*uvPackage
	for _, pkg := range w.all {
		if pkg.place == "." && (pkg.source == "editable" || pkg.source == "virtual" || pkg.source == "directory") {
			return []*uvPackage{pkg}
		}
		if slices.Contains(members, pkg.name) {
			roots = append(roots, pkg)
		}
	}
	return roots
}

func (w *uvWalk) activate(kind, name, item string) {
	code := fmt.Sprintf("%s-%d-%s", kind, len(name), name)
	if item != "" {
		code += "-" + item
	}
	if !slices.Contains(w.active, code) {
		w.active = append(w.active, code)
	}
}

func (w *uvWalk) visit(n uvNode) {
	if !w.seen[n] {
		w.seen[n] = true
		w.queue = append(w.queue, n)
	}
}

func (w *uvWalk) follow(deps []uvDependency) error {
	for _, dep := range deps {
		ok, err := w.p.marker(w.file, dep.line, dep.marker, w.active, nil)
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
		w.visit(uvNode{pkg, ""})
		for _, x := range dep.extras {
			x = pep508.Normalize(x)
			w.visit(uvNode{pkg, x})
			if len(w.active) < maxNest { // only the user's own projects have conflicts
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
func (w *uvWalk) find(dep uvDependency) (*uvPackage, error) {
	var found []*uvPackage
	for _, pkg := range w.byName[dep.name] {
		if (dep.version == "" || dep.version == pkg.version) && (dep.source == "" || dep.source == pkg.source && dep.place == pkg.place) {
			found = append(found, pkg)
		}
	}
	if len(found) > 1 {
		var here []*uvPackage
		for _, pkg := range found {
			for _, m := range pkg.markers {
				ok, err := w.p.marker(w.file, pkg.line, m, w.active, nil)
				if err != nil {
					return nil, err
				}
				if ok {
					here = append(here, pkg)
					break
				}
			}
		}
		if len(here) > 0 {
			found = here
		}
	}
	switch len(found) {
	case 0:
		return nil, refuse(w.file, dep.line, uvFix, "depends on %s, which the lock lacks", show(strings.TrimSpace(dep.name+" "+dep.version)))
	case 1:
		return found[0], nil
	}
	return nil, refuse(w.file, dep.line, uvFix, "depends on %s, and %s and %s may be meant", show(dep.name),
		where(w.file, found[0].line), where(w.file, found[1].line))
}

// take makes a pin of a package that was reached.
func (w *uvWalk) take(pkg *uvPackage, members []string, root bool) error {
	switch {
	case pkg.source == "registry":
	case pkg.source == "virtual", root, slices.Contains(members, pkg.name):
		w.p.leftOut = append(w.p.leftOut, pkg.name)
		return nil
	default:
		what := map[string]string{"git": "a repository", "url": "a URL", "path": "a file", "directory": "a directory", "editable": "an editable directory"}[pkg.source]
		if what == "" {
			what = "an unknown source"
		}
		return refuse(w.file, pkg.line, "depend on a release of it from an index", "%s comes from %s, which no index serves", show(pkg.name), what)
	}
	if pkg.wheels > 0 && len(pkg.hashes) == 0 && strings.Contains(pkg.place, "://") {
		return refuse(w.file, pkg.line, "use an index that tells SHA-256 hashes, then: uv lock", "no wheel of %s has a SHA-256", show(pkg.name))
	}
	return w.p.add(Pin{Name: pkg.name, Version: pkg.version, Hashes: pkg.hashes, SdistOnly: pkg.wheels == 0, File: w.file, Line: pkg.line})
}
