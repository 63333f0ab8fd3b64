package lock

import (
	"fmt"
	"slices"
	"strings"

	"larder/snapshot/pypi/pep508"
)

// maxActive bounds the names that conflict markers may ask for.
const maxActive = 64

// uvNode is a package, or an extra of one.
type uvNode struct {
	pkg   *uvPackage
	extra string // "" for the package itself
}

// uvWalk finds what a uv.lock installs. It starts from the project, or from all
// members of a workspace whose root is none.
//
// Where a project declares conflicts, uv asks for extras and groups in markers by
// encoded names such as "extra-4-name-x"; those that are active are given to the
// markers.
type uvWalk struct {
	set     *pinSet
	file    string
	members map[string]bool // names in the workspace
	all     []*uvPackage
	byName  map[string][]*uvPackage
	seen    map[uvNode]bool
	queue   []uvNode
	found   map[uvMeant]*uvPackage // what find answered
	here    map[*uvPackage]bool    // whether the resolution markers of a package hold, once known
	active  []string               // what conflict markers ask for, as uv encodes it
}

// run walks the lock and pins what was reached. Which encoded names are active shows
// only on the way, so the walk is repeated until they stay the same.
func (w *uvWalk) run(needs []uvDependency) error {
	roots := w.roots()
	if len(roots) == 0 && len(needs) == 0 && len(w.all) > 0 {
		return position{file: w.file}.refuse(uvFix, "has no project that the packages are for")
	}
	for round := 0; ; round++ {
		before := len(w.active)
		if err := w.round(roots, needs); err != nil {
			return err
		}
		if before == len(w.active) || round == 8 {
			break
		}
	}
	for _, pkg := range w.all {
		if w.seen[uvNode{pkg, ""}] {
			if err := w.take(pkg); err != nil {
				return err
			}
		}
	}
	return nil
}

// round walks the lock once, with the names that are active so far.
func (w *uvWalk) round(roots []*uvPackage, needs []uvDependency) error {
	w.seen, w.queue = make(map[uvNode]bool), nil
	w.found, w.here = make(map[uvMeant]*uvPackage), make(map[*uvPackage]bool)
	for _, r := range roots {
		w.activate("project", r.pin.Name, "")
		w.activate("group", r.pin.Name, "-dev")
		w.visit(uvNode{r, ""})
		if err := w.follow(r.dev); err != nil {
			return err
		}
	}
	if err := w.follow(needs); err != nil {
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
	return nil
}

// roots is the project that the lock lies beside, or all members of a workspace
// whose root is no project.
func (w *uvWalk) roots() []*uvPackage {
	var roots []*uvPackage
	for _, pkg := range w.all {
		if pkg.isRoot() {
			return []*uvPackage{pkg}
		}
		if w.members[pkg.pin.Name] {
			roots = append(roots, pkg)
		}
	}
	return roots
}

func (pkg *uvPackage) isRoot() bool {
	return pkg.source.address == "." && slices.Contains([]string{"editable", "virtual", "directory"}, pkg.source.kind)
}

func (w *uvWalk) activate(kind, name, item string) {
	code := fmt.Sprintf("%s-%d-%s%s", kind, len(name), name, item)
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

// follow visits what is needed here.
func (w *uvWalk) follow(deps []uvDependency) error {
	for _, dep := range deps {
		ok, err := w.set.marker(position{w.file, dep.line}, dep.marker, w.active, nil)
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
			own := pkg.source.kind == "editable" || pkg.source.kind == "virtual"
			if own && len(w.active) < maxActive { // only the user's own projects have conflicts
				w.activate("extra", pkg.pin.Name, "-"+x)
			}
		}
	}
	return nil
}

// find is the package a dependency means.
func (w *uvWalk) find(dep uvDependency) (*uvPackage, error) {
	if pkg := w.found[dep.uvMeant]; pkg != nil {
		return pkg, nil
	}
	var found, here []*uvPackage
	for _, pkg := range w.byName[dep.name] {
		if (dep.version == "" || dep.version == pkg.pin.Version) && (dep.source == uvSource{} || dep.source == pkg.source) {
			found = append(found, pkg)
		}
	}
	if len(found) > 1 {
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
	at := position{w.file, dep.line}
	switch len(found) {
	case 0:
		return nil, at.refuse(uvFix, "depends on %s, which the lock lacks", show(strings.TrimSpace(dep.name+" "+dep.version)))
	case 1:
		w.found[dep.uvMeant] = found[0]
		return found[0], nil
	}
	return nil, at.refuse(uvFix, "depends on %s, and %s and %s may be meant", show(dep.name), found[0].pin.at(), found[1].pin.at())
}

// isHere tells whether one of the package's resolution markers holds.
func (w *uvWalk) isHere(pkg *uvPackage) (bool, error) {
	holds, known := w.here[pkg]
	if known {
		return holds, nil
	}
	holds, err := w.set.anyMarker(pkg.pin.at(), pkg.markers, w.active)
	w.here[pkg] = holds
	return holds, err
}

// take makes a pin of a package that was reached.
func (w *uvWalk) take(pkg *uvPackage) error {
	kind, name := pkg.source.kind, pkg.pin.Name
	switch {
	case kind == "registry":
	case kind == "virtual", pkg.isRoot(), w.members[name]:
		w.set.leaveOut(name)
		return nil
	default:
		what := map[string]string{"git": "a repository", "url": "a URL", "path": "a file", "directory": "a directory", "editable": "an editable directory", "": "an unknown source"}[kind]
		return pkg.pin.at().refuse("depend on a release of it from an index", "%s comes from %s, which no index serves", show(name), what)
	}
	if !pkg.pin.SdistOnly && len(pkg.pin.Hashes) == 0 && strings.Contains(pkg.source.address, "://") {
		return pkg.pin.at().refuse("use an index that tells SHA-256 hashes, then: uv lock", "no wheel of %s has a SHA-256", show(name))
	}
	return w.set.add(pkg.pin)
}
