package lock

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"larder/snapshot"
	"larder/snapshot/npm"
)

// requirements are what the target needs of the lock.
func (t *tree) requirements(tag npm.Tag) *snapshot.Requirements {
	r := &snapshot.Requirements{Mounts: t.mounts()}
	pins := map[string]int{}
	for i := range t.entries {
		e := &t.entries[i]
		if !e.installed || e.inert {
			continue
		}
		if e.leftOut != "" {
			r.LeftOut = append(r.LeftOut, show(e.at)+" ("+e.leftOut+")")
			continue
		}
		if !t.mounted(e) {
			continue
		}
		if e.raw.get("hasInstallScript").is() {
			r.Scripts = append(r.Scripts, t.script(e))
		}
		if e.link {
			r.Own = append(r.Own, snapshot.OwnFile{Path: t.below(e.at, e.own), Link: linkTo(e)})
			continue
		}
		if e.bundled {
			continue
		}
		pin := t.pin(e)
		key := strings.Join(append([]string{pin.Name, pin.Version}, pin.Digests...), " ")
		at, there := pins[key]
		if !there {
			at = len(r.Pins)
			pins[key] = at
			r.Pins = append(r.Pins, pin)
		}
		r.Places = append(r.Places, snapshot.Place{Path: t.below(e.at, e.own), Pin: at})
	}
	slices.SortFunc(r.Places, func(a, b snapshot.Place) int { return cmp.Compare(a.Path, b.Path) })
	r.Own = append(append(r.Own, t.bins()...), snapshot.OwnFile{Path: t.below("node_modules/.package-lock.json", ""), Data: t.hidden()})
	slices.SortFunc(r.Own, func(a, b snapshot.OwnFile) int { return cmp.Compare(a.Path, b.Path) })
	slices.Sort(r.LeftOut)
	slices.SortFunc(r.Scripts, func(a, b snapshot.Script) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Spec, b.Spec))
	})
	r.Digest = digest(r, tag)
	return r
}

// digest names all that the environment is made of.
func digest(r *snapshot.Requirements, tag npm.Tag) string {
	var b strings.Builder
	fmt.Fprintf(&b, "node_modules 1\n%s\n", tag)
	for _, m := range r.Mounts {
		fmt.Fprintf(&b, "at %q\n", m)
	}
	for _, p := range r.Places {
		pin := r.Pins[p.Pin]
		fmt.Fprintf(&b, "%s %s %s %s\n", p.Path, pin.Name, pin.Version, strings.Join(pin.Digests, ","))
	}
	for _, f := range r.Own {
		fmt.Fprintf(&b, "%q %q %s\n", f.Path, f.Link, snapshot.Sum(f.Data))
	}
	return snapshot.Sum([]byte(b.String())).String()
}

// place finds out which node_modules directories there are: the project's, and those of its directories that
// something of the lock lies in.
func (t *tree) place() error {
	has := map[string]bool{}
	for i := range t.entries {
		e := &t.entries[i]
		if !e.installed || e.inert {
			continue
		}
		if e.foreign && e.leftOut == "" && !e.link && !e.bundled {
			e.leftOut = "an address"
		}
		if e.leftOut == "" && !e.bundled && e.own != "" && !(e.link && slices.Contains(strings.Split(e.resolved, "/"), "node_modules")) {
			has[e.own] = true // it is there for certain
		}
	}
	if len(has) == 0 {
		return nil
	}
	t.own = append([]string{""}, slices.Sorted(maps.Keys(has))...)
	t.part = map[string]string{}
	for i, own := range t.own {
		t.part[own] = strconv.Itoa(i) + "/"
	}
	if len(t.own) > maxMounts {
		return t.file.refuse("npm ci with the stocked cache installs it: larder run -- npm ci",
			"%d directories have a node_modules of their own, and at most %d are mounted", len(t.own), maxMounts)
	}
	return nil
}

// mounted says whether the node_modules that an entry is in is among them: nothing may be left for it but what came
// with a package that is left out.
func (t *tree) mounted(e *entry) bool { return e.own == "" || t.part[e.own] != "" }

// mounts are the node_modules directories where there is more than the project's.
func (t *tree) mounts() (all []string) {
	for _, own := range t.own {
		all = append(all, path.Join(own, "node_modules"))
	}
	return all
}

// below is where in the environment something at a location goes that is in the node_modules of a directory.
func (t *tree) below(at, own string) string {
	return t.part[own] + strings.TrimPrefix(strings.TrimPrefix(at, own+"/"), "node_modules/")
}

// script is what npm rebuild is told of a package that has scripts. It takes none that is bundled: those go
// with the package that they came in.
func (t *tree) script(e *entry) snapshot.Script {
	of := e
	for of.bundled && of.parent >= 0 {
		of = &t.entries[of.parent]
	}
	return snapshot.Script{Name: e.name, Spec: of.folder + "@" + of.version, Optional: e.optional}
}

func (t *tree) pin(e *entry) snapshot.Pin {
	pin := snapshot.Pin{Name: npm.Project(e.name), Version: e.version, Spellings: []string{e.version}, Address: e.resolved, File: string(t.file)}
	for _, sum := range e.sums {
		pin.Digests = append(pin.Digests, sum.Hex())
	}
	slices.Sort(pin.Digests)
	pin.Digests = slices.Compact(pin.Digests)
	return pin
}

// linkTo is where the link at an entry's location leads: the shortest way to what it is of.
func linkTo(e *entry) string {
	from, to := strings.Split(path.Dir(e.at), "/"), strings.Split(path.Clean(e.resolved), "/")
	for len(from) > 0 && len(to) > 0 && from[0] == to[0] {
		from, to = from[1:], to[1:]
	}
	return path.Clean(strings.Repeat("../", len(from)) + strings.Join(to, "/"))
}

// bins are the links in .bin directories. Of two packages with one name of a program, the first counts: the
// one less deep, then by the lock's order, which is npm's; links to the user's own come last.
func (t *tree) bins() []snapshot.OwnFile {
	order := make([]*entry, 0, len(t.entries))
	for i := range t.entries {
		if e := &t.entries[i]; e.installed && !e.inert && e.leftOut == "" && t.mounted(e) {
			order = append(order, e)
		}
	}
	slices.SortStableFunc(order, func(a, b *entry) int {
		if a.link != b.link {
			if b.link {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.depth, b.depth)
	})
	var files []snapshot.OwnFile
	seen := map[string]bool{}
	for _, e := range order {
		pkg, name := e.raw, e.name
		if i, ok := t.at[path.Clean(e.resolved)]; e.link && ok {
			pkg, name = t.entries[i].raw, t.entries[i].name
		}
		dir := strings.TrimSuffix(e.at, "/"+e.folder)
		for _, bin := range binsOf(pkg.get("bin"), name) {
			at := t.below(dir+"/.bin/"+bin.name, e.own)
			if !seen[at] {
				seen[at] = true
				files = append(files, snapshot.OwnFile{Path: at, Link: "../" + e.folder + "/" + bin.target})
			}
		}
	}
	return files
}

// bin is a program of a package's.
type bin struct{ name, target string }

// binsOf reads what a package says of its programs as npm-normalize-package-bin does.
func binsOf(raw value, pkg string) []bin {
	var said []bin
	switch raw.kind {
	case '"':
		said = []bin{{pkg, raw.text}}
	case '[':
		for _, item := range raw.items {
			said = append(said, bin{base(item.str()), item.str()})
		}
	case '{':
		for _, m := range raw.members {
			said = append(said, bin{m.name, m.str()})
		}
	}
	var bins []bin
	for _, s := range said {
		b := bin{base(strings.NewReplacer(`\`, "/", ":", "/").Replace(s.name)), strings.TrimPrefix(path.Clean("/"+strings.ReplaceAll(s.target, `\`, "/")), "/")}
		if b.name != "" && b.name != "." && b.name != ".." && len(b.name) <= 255 && b.target != "" && len(b.target) <= maxPath && !strings.ContainsRune(b.name+b.target, 0) {
			bins = append(bins, b)
		}
	}
	return bins
}

// base is the last part of a path, as JavaScript's basename: "" of none.
func base(name string) string {
	name = strings.TrimRight(name, "/")
	return name[strings.LastIndexByte(name, '/')+1:]
}
