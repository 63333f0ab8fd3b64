package lock

import (
	"strings"

	"larder/snapshot/pypi/pep440"
	"larder/snapshot/pypi/pep508"
)

const poetryFix = remake + " with Poetry 2: poetry lock"

// poetryPackage is one [[package]] of a poetry.lock.
type poetryPackage struct {
	pin      Pin
	optional bool
	markers  []string // Poetry 2: one of them must hold; nil in older locks
	needs    []poetryDependency
	extras   []string
	release  pep440.Version // of the pin, if it is one
	fits     bool           // it allows this Python, and not all its files are wheels for other systems
	unhashed bool           // it has wheels, and none has a SHA-256
	source   string

	linked, taken bool // by poetryWalk: reachable if all markers held; reached
}

type poetryDependency struct {
	name, constraint, marker string
}

// readPoetry reads a poetry.lock (lock-version 1.0 to 2.x). From 2.1 on each package
// tells its groups and the markers under which the project needs it; every group
// counts, because the lock does not tell which are optional. In older locks the
// markers are only on the dependencies between packages, see poetryWalk.
func readPoetry(set *pinSet, root *table) error {
	at := root.at()
	meta := root.table("metadata")
	version := meta.text("lock-version")
	python := meta.text("python-versions")
	if root.doc.err != nil {
		return root.doc.err
	}
	if !strings.HasPrefix(version, "1.") && !strings.HasPrefix(version, "2.") {
		return at.refuse(poetryFix, "lock-version is %s, only 1 and 2 can be read", show(version))
	}
	ok, err := set.poetryPython(python)
	if err != nil {
		return at.refuse(poetryFix, "python-versions: %s", err)
	}
	if !ok {
		return at.refuse("choose another target, or lock for this Python", "the lock needs Python %s, the target has %s", show(python), set.python())
	}
	files := make(map[string][]*table) // where 1.0 to 1.2 have them
	byName := meta.table("files")
	for _, key := range byName.keys() {
		files[pep508.Normalize(key)] = byName.tables(key)
	}
	var list []*poetryPackage
	for _, t := range root.tables("package") {
		list = append(list, newPoetryPackage(set, t, files))
	}
	if root.doc.err != nil {
		return root.doc.err
	}
	if strings.HasPrefix(version, "1.") || version == "2.0" {
		return walkPoetry(set, list)
	}
	for _, pkg := range list {
		if err := pkg.addIfNeeded(set); err != nil {
			return err
		}
	}
	return nil
}

// poetryPython tells whether Poetry's form of requires-python allows the environment's
// Python. What is no constraint allows all, beside the error.
func (s *pinSet) poetryPython(clause string) (bool, error) {
	c, err := parseConstraint(clause)
	v, bad := pep440.Parse(s.python())
	return bad != nil || c.contains(v), err
}

func newPoetryPackage(set *pinSet, t *table, files map[string][]*table) *poetryPackage {
	pkg := &poetryPackage{
		pin:      Pin{Name: pep508.Normalize(t.text("name")), Version: t.text("version"), File: t.doc.file, Line: t.line},
		optional: t.flag("optional"),
		markers:  poetryMarkers(t),
		needs:    poetryNeeds(t.table("dependencies")),
		extras:   t.table("extras").keys(),
		source:   t.table("source").text("type"),
	}
	listed := t.tables("files")
	if listed == nil {
		listed = files[pkg.pin.Name]
	}
	wheels, usable := 0, len(listed) == 0
	for _, f := range listed {
		file := f.text("file")
		h, ok := hash(f.text("hash"))
		if !strings.HasSuffix(file, ".whl") {
			usable = true
			if ok {
				pkg.pin.Sources = append(pkg.pin.Sources, h)
			}
			continue
		}
		wheels++
		usable = usable || strings.Contains(file, "linux") || strings.HasSuffix(file, "-any.whl")
		if ok {
			pkg.pin.Hashes = append(pkg.pin.Hashes, h)
		}
	}
	pkg.pin.SdistOnly = wheels == 0 && len(listed) > 0
	pkg.unhashed = wheels > 0 && len(pkg.pin.Hashes) == 0
	pkg.release, _ = pep440.Parse(pkg.pin.Version)
	allowed, _ := set.poetryPython(t.text("python-versions"))
	pkg.fits = usable && allowed
	return pkg
}

// poetryMarkers: text, or a table of groups. A group without a marker always needs
// the package, and is then missing from the table.
func poetryMarkers(t *table) []string {
	v, ok := t.value("markers")
	if !ok {
		return nil
	}
	byGroup, isTable := v.v.(*table)
	if !isTable {
		return []string{t.text("markers")}
	}
	var list []string
	for _, g := range t.texts("groups") {
		list = append(list, byGroup.text(g))
	}
	return list
}

func poetryNeeds(t *table) []poetryDependency {
	var list []poetryDependency
	for _, key := range t.keys() {
		v, _ := t.value(key)
		alternatives, several := v.elements()
		if !several {
			alternatives = []value{v}
		}
		for _, alt := range alternatives {
			dep := poetryDependency{name: pep508.Normalize(key)}
			switch c := alt.v.(type) {
			case string:
				dep.constraint = c
			case *table:
				dep.constraint, dep.marker = c.text("version"), c.text("markers")
			default:
				t.doc.wrong(alt.line, poetryFix, "dependency %s is neither text nor a table", show(key))
			}
			list = append(list, dep)
		}
	}
	return list
}

// addIfNeeded pins a package of a Poetry 2 lock if the project needs it here.
func (pkg *poetryPackage) addIfNeeded(set *pinSet) error {
	if pkg.optional {
		return nil
	}
	ok, err := set.anyMarker(pkg.pin.at(), pkg.markers, nil)
	if err != nil || (!ok && pkg.markers != nil) {
		return err
	}
	return pkg.add(set)
}

func (pkg *poetryPackage) add(set *pinSet) error {
	what := map[string]string{"git": "a repository", "url": "a URL", "file": "a file", "directory": "a directory"}[pkg.source]
	if what != "" {
		return pkg.pin.at().refuse("depend on a release of it from an index", "%s comes from %s, which no index serves", show(pkg.pin.Name), what)
	}
	if pkg.unhashed {
		return pkg.pin.at().refuse(poetryFix, "no wheel of %s has a SHA-256", show(pkg.pin.Name))
	}
	return set.add(pkg.pin)
}
