package lock

import "larder/snapshot/pypi/pep508"

const uvFix = remake + ": uv lock"

// maxForks bounds the packages of one name; a fork for every Python and system has
// some 20.
const maxForks = 256

// uvPackage is one [[package]] of a uv.lock.
type uvPackage struct {
	pin          Pin
	source       uvSource
	markers      []string // under one of which it is meant
	dependencies []uvDependency
	extras       map[string][]uvDependency
	dev          []uvDependency
}

// uvSource is where a package comes from: "registry" and its address, and so on.
type uvSource struct{ kind, address string }

// uvDependency is what a package, or the project, needs.
type uvDependency struct {
	uvMeant
	marker string
	extras []string
	line   int
}

// uvMeant is what a dependency says of the package it means. uv writes version and
// source only where several packages have the name.
type uvMeant struct {
	name, version string
	source        uvSource
}

// readUV reads a uv.lock (version 1) and walks it from the project as `uv sync` does:
// its dependencies and its group "dev".
func readUV(set *pinSet, root *table) error {
	at := root.at()
	if v, ok := get[scalar](root, "version", "number"); !ok || v != "1" {
		return at.refuse(uvFix+" (version 1)", "version is %s, only 1 can be read", show(string(v)))
	}
	clause := root.text("requires-python")
	supported := root.texts("supported-markers")
	manifest := root.table("manifest")
	w := &uvWalk{set: set, file: at.file, members: make(map[string]bool), byName: make(map[string][]*uvPackage)}
	for _, m := range manifest.texts("members") {
		w.members[pep508.Normalize(m)] = true
	}
	for _, t := range root.tables("package") {
		if err := w.addPackage(t); err != nil {
			return err
		}
	}
	needs := append(uvDependencies(manifest, "requirements"), uvDependencies(manifest.table("dependency-groups"), "dev")...)
	if root.doc.err != nil {
		return root.doc.err
	}
	if err := set.requiresPython(at, "the lock", clause); err != nil {
		return err
	}
	if err := set.forEnvironment(at, supported); err != nil {
		return err
	}
	return w.run(needs)
}

// addPackage decodes one [[package]].
func (w *uvWalk) addPackage(t *table) error {
	pkg := &uvPackage{
		pin:          Pin{Name: pep508.Normalize(t.text("name")), Version: t.text("version"), File: w.file, Line: t.line},
		source:       readUVSource(t.table("source")),
		markers:      t.texts("resolution-markers"),
		dependencies: uvDependencies(t, "dependencies"),
		extras:       uvSets(t.table("optional-dependencies")),
		dev:          uvSets(t.table("dev-dependencies"))["dev"],
	}
	wheels := t.tables("wheels")
	pkg.pin.SdistOnly = len(wheels) == 0
	for _, wheel := range wheels {
		if h, ok := hash(wheel.text("hash")); ok {
			pkg.pin.Hashes = append(pkg.pin.Hashes, h)
		}
	}
	if h, ok := hash(t.table("sdist").text("hash")); ok {
		pkg.pin.Sources = []string{h}
	}
	name := pkg.pin.Name
	if len(w.byName[name]) == maxForks {
		return t.at().refuse(uvFix, "more than %d packages with the name %s", maxForks, show(name))
	}
	w.byName[name] = append(w.byName[name], pkg)
	w.all = append(w.all, pkg)
	return nil
}

func readUVSource(t *table) uvSource {
	for _, kind := range [...]string{"registry", "git", "url", "path", "directory", "editable", "virtual"} {
		if t.has(kind) {
			return uvSource{kind, t.text(kind)}
		}
	}
	return uvSource{}
}

// uvSets reads the dependencies of several extras or groups.
func uvSets(t *table) map[string][]uvDependency {
	if t == nil { // nearly always
		return nil
	}
	sets := make(map[string][]uvDependency)
	for _, key := range t.keys() {
		name := pep508.Normalize(key)
		sets[name] = append(sets[name], uvDependencies(t, key)...)
	}
	return sets
}

func uvDependencies(t *table, key string) []uvDependency {
	var list []uvDependency
	for _, e := range t.tables(key) {
		dep := uvDependency{
			uvMeant: uvMeant{pep508.Normalize(e.text("name")), e.text("version"), readUVSource(e.table("source"))},
			marker:  e.text("marker"), extras: e.texts("extra"), line: e.line,
		}
		if len(dep.extras) == 0 {
			dep.extras = e.texts("extras")
		}
		list = append(list, dep)
	}
	return list
}
