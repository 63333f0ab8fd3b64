// Package poetrylock reads poetry.lock (lock-version 1.0 to 2.x).
//
// Poetry 2 (2.1 and later) tells for each package its groups and markers; every
// group counts, because the lock does not tell which are optional. For older locks
// the dependencies between packages are walked, see walkAll.
package poetrylock

import (
	"strings"

	"larder/snapshot/pypi/lock/pins"
	"larder/snapshot/pypi/lock/tomltree"
	"larder/snapshot/pypi/pep440"
	"larder/snapshot/pypi/pep508"
)

const fix = "make the lock anew with Poetry 2: poetry lock"

type entry struct {
	name, version string
	line          int
	optional      bool
	python        string   // Poetry's form of requires-python
	markers       []string // Poetry 2: one of them must hold; nil in older locks
	needs         []dependency
	extras        []string
	release       pep440.Version // of version, if it is one
	fits          bool           // it allows this Python, and not all its files are wheels for other systems
	unhashed      bool           // it has wheels, and none has a SHA-256
	pin           pins.Pin
	source        string
}

type dependency struct {
	name, constraint, marker string
}

// Read reads a poetry.lock. Since 2.0 each package tells its groups and the
// marker under which the project needs it; before, the markers are only on the
// dependencies between packages.
func Read(set *pins.Set, file string, data []byte) error {
	root, err := tomltree.Parse(file, data)
	if err != nil {
		return err
	}
	d := &tomltree.Decoder{File: file}
	meta := d.Table(root, "metadata")
	version := d.Text(meta, "lock-version")
	python := d.Text(meta, "python-versions")
	if d.Err != nil {
		return d.Err
	}
	if !strings.HasPrefix(version, "1.") && !strings.HasPrefix(version, "2.") {
		return pins.Refuse(file, 0, fix, "lock-version is %s, only 1 and 2 can be read", pins.Show(version))
	}
	if err := checkPython(set, file, python); err != nil {
		return err
	}
	files := d.Table(meta, "files") // where 1.0 to 1.2 have them
	byName := make(map[string][]*tomltree.Table)
	if files != nil {
		for key := range files.Keys() {
			byName[pep508.Normalize(key)] = d.Tables(files, key)
		}
	}
	var list []*entry
	for _, t := range d.Tables(root, "package") {
		list = append(list, decode(set, d, t, byName))
	}
	if d.Err != nil {
		return d.Err
	}
	if strings.HasPrefix(version, "1.") || version == "2.0" {
		return walkAll(set, list)
	}
	for _, pkg := range list {
		if err := take(set, pkg, d.File); err != nil {
			return err
		}
	}
	return nil
}

func checkPython(set *pins.Set, file, clause string) error {
	r, err := parseConstraint(clause)
	if err != nil {
		return pins.Refuse(file, 0, fix, "python-versions: %s", err)
	}
	v, err := pep440.Parse(strings.TrimSuffix(set.Env["python_full_version"], "+"))
	if err == nil && !r.contains(v) {
		return pins.Refuse(file, 0, "choose another target, or lock for this Python", "the lock needs Python %s, the target has %s", pins.Show(clause), v)
	}
	return nil
}

// pythonFits tells whether a package allows the environment's Python. What is no
// constraint allows all.
func pythonFits(set *pins.Set, clause string) bool {
	v, err := pep440.Parse(strings.TrimSuffix(set.Env["python_full_version"], "+"))
	r, err2 := parseConstraint(clause)
	return err != nil || err2 != nil || r.contains(v)
}

func decode(set *pins.Set, d *tomltree.Decoder, t *tomltree.Table, files map[string][]*tomltree.Table) *entry {
	pkg := &entry{
		name: pep508.Normalize(d.Text(t, "name")), version: d.Text(t, "version"), line: t.Line,
		optional: d.Flag(t, "optional"), python: d.Text(t, "python-versions"),
		source: d.Text(d.Table(t, "source"), "type"),
	}
	pkg.markers = markers(d, t)
	pkg.pin = pins.Pin{Name: pkg.name, Version: pkg.version, File: d.File, Line: t.Line}
	listed := d.Tables(t, "files")
	if listed == nil {
		listed = files[pkg.name]
	}
	wheels, usable := 0, len(listed) == 0
	for _, f := range listed {
		file := d.Text(f, "file")
		if !strings.HasSuffix(file, ".whl") {
			usable = true
			continue
		}
		wheels++
		usable = usable || strings.Contains(file, "linux") || strings.HasSuffix(file, "-any.whl")
		if h, ok := pins.Hash(d.Text(f, "hash")); ok {
			pkg.pin.Hashes = append(pkg.pin.Hashes, h)
		}
	}
	pkg.release, _ = pep440.Parse(pkg.version)
	pkg.fits = usable && pythonFits(set, pkg.python)
	pkg.unhashed = wheels > 0 && len(pkg.pin.Hashes) == 0
	pkg.pin.SdistOnly = wheels == 0 && len(listed) > 0
	pkg.needs = needs(d, d.Table(t, "dependencies"))
	if extras := d.Table(t, "extras"); extras != nil {
		for key := range extras.Keys() {
			pkg.extras = append(pkg.extras, key)
		}
	}
	return pkg
}

// markers: text, or a table of groups. A group without a marker always
// needs the package, and is then missing from the table.
func markers(d *tomltree.Decoder, t *tomltree.Table) []string {
	value, ok := t.Get("markers")
	if !ok {
		return nil
	}
	byGroup, isTable := value.V.(*tomltree.Table)
	if !isTable {
		return []string{d.Text(t, "markers")}
	}
	var list []string
	for _, g := range d.Texts(t, "groups") {
		list = append(list, d.Text(byGroup, g))
	}
	return list
}

func needs(d *tomltree.Decoder, t *tomltree.Table) []dependency {
	if t == nil {
		return nil
	}
	var list []dependency
	for key, v := range t.Keys() {
		alternatives := []tomltree.Value{v}
		switch a := v.V.(type) {
		case []tomltree.Value:
			alternatives = a
		case *[]tomltree.Value:
			alternatives = *a
		}
		for _, alt := range alternatives {
			dep := dependency{name: pep508.Normalize(key)}
			switch c := alt.V.(type) {
			case string:
				dep.constraint = c
			case *tomltree.Table:
				dep.constraint, dep.marker = d.Text(c, "version"), d.Text(c, "markers")
			default:
				d.Err = pins.Refuse(d.File, alt.Line, fix, "dependency %s is neither text nor a table", pins.Show(key))
			}
			list = append(list, dep)
		}
	}
	return list
}

// take pins a package of a Poetry 2 lock if the project needs it here.
func take(set *pins.Set, pkg *entry, file string) error {
	if pkg.optional {
		return nil
	}
	needed := pkg.markers == nil
	for _, m := range pkg.markers {
		ok, err := set.Marker(file, pkg.line, m, nil, nil)
		if err != nil {
			return err
		}
		needed = needed || ok
	}
	if !needed {
		return nil
	}
	return add(set, pkg)
}

func add(set *pins.Set, pkg *entry) error {
	what := map[string]string{"git": "a repository", "url": "a URL", "file": "a file", "directory": "a directory"}[pkg.source]
	if what != "" {
		return pins.Refuse(pkg.pin.File, pkg.line, "depend on a release of it from an index", "%s comes from %s, which no index serves", pins.Show(pkg.name), what)
	}
	if pkg.unhashed {
		return pins.Refuse(pkg.pin.File, pkg.line, fix, "no wheel of %s has a SHA-256", pins.Show(pkg.name))
	}
	return set.Add(pkg.pin)
}
