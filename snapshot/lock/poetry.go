package lock

import (
	"slices"
	"strings"

	"larder/snapshot/pep440"
	"larder/snapshot/pep508"
)

const poetryFix = "make the lock anew with Poetry 2: poetry lock"

type poetryPackage struct {
	name, version string
	line          int
	optional      bool
	python        string             // Poetry's form of requires-python
	markers       []string           // Poetry 2: one of them must hold; nil in older locks
	needs         []poetryDependency // sorted by name
	extras        []string
	elsewhere     bool // it has files, all of them wheels for other systems than Linux
	pin           Pin
	source        string
}

type poetryDependency struct {
	name, constraint, marker string
}

// poetry reads a poetry.lock. Since 2.0 each package tells its groups and the
// marker under which the project needs it; before, the markers are only on the
// dependencies between packages.
func (p *parser) poetry(file string, data []byte) error {
	root, err := parseTOML(file, data)
	if err != nil {
		return err
	}
	d := &decoder{file: file}
	meta := d.table(root, "metadata")
	version := d.text(meta, "lock-version")
	python := d.text(meta, "python-versions")
	if d.err != nil {
		return d.err
	}
	if !strings.HasPrefix(version, "1.") && !strings.HasPrefix(version, "2.") {
		return refuse(file, 0, poetryFix, "lock-version is %s, only 1 and 2 can be read", show(version))
	}
	if err := p.poetryPython(file, python); err != nil {
		return err
	}
	files := d.table(meta, "files") // where 1.0 to 1.2 have them
	var list []*poetryPackage
	for _, t := range d.tables(root, "package") {
		list = append(list, poetryDecode(d, t, files))
	}
	if d.err != nil {
		return d.err
	}
	if strings.HasPrefix(version, "1.") || version == "2.0" {
		return p.poetryWalk(list)
	}
	for _, pkg := range list {
		if err := p.poetryTake(pkg, d.file); err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) poetryPython(file, clause string) error {
	r, err := parsePoetryRange(clause)
	if err != nil {
		return refuse(file, 0, poetryFix, "python-versions: %s", err)
	}
	v, err := pep440.Parse(strings.TrimSuffix(p.env["python_full_version"], "+"))
	if err == nil && !r.contains(v) {
		return refuse(file, 0, "choose another target, or lock for this Python", "the lock needs Python %s, the target has %s", show(clause), v)
	}
	return nil
}

func poetryDecode(d *decoder, t, files *table) *poetryPackage {
	pkg := &poetryPackage{
		name: pep508.Normalize(d.text(t, "name")), version: d.text(t, "version"), line: t.line,
		optional: d.flag(t, "optional"), python: d.text(t, "python-versions"),
		source: d.text(d.table(t, "source"), "type"),
	}
	pkg.markers = poetryMarkers(d, t)
	pkg.pin = Pin{Name: pkg.name, Version: pkg.version, File: d.file, Line: t.line}
	listed := d.tables(t, "files")
	if listed == nil && files != nil {
		for key := range files.keys {
			if pep508.Normalize(key) == pkg.name {
				listed = d.tables(files, key)
			}
		}
	}
	wheels, usable := 0, len(listed) == 0
	for _, f := range listed {
		file := d.text(f, "file")
		if !strings.HasSuffix(file, ".whl") {
			usable = true
			continue
		}
		wheels++
		usable = usable || strings.Contains(file, "linux") || strings.HasSuffix(file, "-any.whl")
		if h, ok := hash(d.text(f, "hash")); ok {
			pkg.pin.Hashes = append(pkg.pin.Hashes, h)
		}
	}
	pkg.elsewhere = !usable
	pkg.pin.SdistOnly = wheels == 0 && len(listed) > 0
	pkg.needs = poetryNeeds(d, d.table(t, "dependencies"))
	if extras := d.table(t, "extras"); extras != nil {
		for key := range extras.keys {
			pkg.extras = append(pkg.extras, key)
		}
	}
	return pkg
}

// poetryMarkers: text, or a table of groups. A group without a marker always
// needs the package, and is then missing from the table.
func poetryMarkers(d *decoder, t *table) []string {
	if !t.has("markers") {
		return nil
	}
	byGroup, isTable := t.keys["markers"].v.(*table)
	if !isTable {
		return []string{d.text(t, "markers")}
	}
	var list []string
	for _, g := range d.texts(t, "groups") {
		list = append(list, d.text(byGroup, g))
	}
	return list
}

func poetryNeeds(d *decoder, t *table) []poetryDependency {
	if t == nil {
		return nil
	}
	var list []poetryDependency
	for key, v := range t.keys {
		alternatives := []value{v}
		switch a := v.v.(type) {
		case []value:
			alternatives = a
		case *[]value:
			alternatives = *a
		}
		for _, alt := range alternatives {
			dep := poetryDependency{name: pep508.Normalize(key)}
			switch c := alt.v.(type) {
			case string:
				dep.constraint = c
			case *table:
				dep.constraint, dep.marker = d.text(c, "version"), d.text(c, "markers")
			default:
				d.err = refuse(d.file, alt.line, poetryFix, "dependency %s is neither text nor a table", show(key))
			}
			list = append(list, dep)
		}
	}
	slices.SortStableFunc(list, func(a, b poetryDependency) int { return strings.Compare(a.name, b.name) })
	return list
}

// poetryTake pins a package of a Poetry 2 lock if the project needs it here.
func (p *parser) poetryTake(pkg *poetryPackage, file string) error {
	if pkg.optional {
		return nil
	}
	needed := pkg.markers == nil
	for _, m := range pkg.markers {
		ok, err := p.marker(file, pkg.line, m, nil, nil)
		if err != nil {
			return err
		}
		needed = needed || ok
	}
	if !needed {
		return nil
	}
	return p.poetryPin(pkg)
}

func (p *parser) poetryPin(pkg *poetryPackage) error {
	what := map[string]string{"git": "a repository", "url": "a URL", "file": "a file", "directory": "a directory"}[pkg.source]
	if what != "" {
		return refuse(pkg.pin.File, pkg.line, "depend on a release of it from an index", "%s comes from %s, which no index serves", show(pkg.name), what)
	}
	return p.add(pkg.pin)
}
