// Package uvlock reads uv.lock (version 1).
//
// It walks the lock from the project, or from all members of a workspace whose
// root is none, with their group "dev", as `uv sync` does. Where a project declares
// conflicts, uv asks for extras and groups in markers by encoded names such as
// "extra-4-name-x"; those that are active are given to the markers.
package uvlock

import (
	"larder/snapshot/pypi/lock/pins"
	"larder/snapshot/pypi/lock/tomltree"
	"larder/snapshot/pypi/pep508"
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
