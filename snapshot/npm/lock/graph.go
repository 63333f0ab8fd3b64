package lock

import (
	"path"
	"strings"

	"larder/snapshot/npm"
)

// maxWork bounds the steps of finding what names lead to, and what an optional package takes with it: a
// real lock needs a few thousand.
const maxWork = 20_000_000

// connect finds what each name that a package asks for leads to, as node does: the nearest
// node_modules upwards that has it.
func (t *tree) connect() error {
	for i := range t.entries {
		e := &t.entries[i]
		if e.at != "" {
			e.parent = t.above(e.at)
		}
		if e.parent >= 0 && t.entries[e.parent].link {
			return t.file.refuse(remake, "packages: %s lies in a link", show(e.at))
		}
		if _, there := t.at[e.own]; e.own != "" && !there {
			return t.file.refuse(remake, "packages: %s lies in %s, which the lock does not have", show(e.at), show(e.own))
		}
	}
	for i := range t.entries {
		e := &t.entries[i]
		if e.bundled = e.bundled && t.inTarball(e); !e.bundled && e.sums == nil && e.leftOut == "" && e.installed && !e.link {
			var err error
			if e.leftOut, err = t.file.source(e); err != nil {
				return err
			}
		}
	}
	for i := range t.entries {
		for k := range t.entries[i].edges {
			g := &t.entries[i].edges[k]
			if g.to = t.find(i, g.name); t.work > maxWork {
				return t.entangled()
			}
			if g.to >= 0 {
				to := &t.entries[g.to]
				to.dependents = append(to.dependents, dependent{i, g.optional})
				to.foreign = to.foreign || byAddress(g.spec)
			}
		}
	}
	return nil
}

// inTarball says whether what a lock calls bundled came in the tarball of a package. What the project itself
// bundles is called so, too, and comes from a registry.
func (t *tree) inTarball(e *entry) bool {
	for up := e.parent; up >= 0; up = t.entries[up].parent {
		if of := &t.entries[up]; of.installed && !of.raw.get("bundleDependencies").empty() {
			return true
		}
	}
	return false
}

// above is the entry that a location lies in, -1 for the project.
func (t *tree) above(at string) int {
	if inside := strings.LastIndex(at, "/node_modules/"); inside >= 0 {
		if i, ok := t.at[at[:inside]]; ok {
			return i
		}
		return t.above(at[:inside])
	}
	if !strings.HasPrefix(at, "node_modules/") {
		for dir := path.Dir(at); dir != "." && dir != "/"; dir = path.Dir(dir) {
			if i, ok := t.at[dir]; ok {
				return i
			}
		}
	}
	return -1
}

func (t *tree) find(from int, name string) int {
	for {
		at := "node_modules/" + name
		if from >= 0 && t.entries[from].at != "" {
			at = t.entries[from].at + "/" + at
		}
		t.work += 1 + len(at)/64
		if i, ok := t.at[at]; ok {
			return i
		}
		if from < 0 || t.entries[from].at == "" {
			return -1
		}
		from = t.entries[from].parent
	}
}

// leaveOut marks what a target has no use for: optional packages for other platforms, what only they need,
// and what lies in any of these. What is not optional has to fit.
func (t *tree) leaveOut(tag npm.Tag) error {
	for i := range t.entries {
		e := &t.entries[i]
		if !e.installed || e.link || e.inert || e.fits(tag) {
			continue
		}
		var set map[int]bool
		if e.optional {
			var err error
			if set, err = t.optionalSet(i); err != nil {
				return err
			}
		}
		if set == nil {
			return t.file.refuse("choose another target, or lock without it", "%s is not for %s, and not optional", show(e.at), tag)
		}
		for n := range set {
			t.entries[n].inert = true
		}
	}
	for i := range t.entries { // a parent may come later
		for up := t.entries[i].parent; up >= 0 && !t.entries[i].inert; up = t.entries[up].parent {
			t.entries[i].inert = t.entries[up].inert
		}
	}
	return nil
}

// optionalSet is what goes with an optional package: what needs it, up to where that is optional, and
// what nothing else needs (arborist's optional-set and gather-dep-set); nil when the project itself needs it.
func (t *tree) optionalSet(first int) (map[int]bool, error) {
	boundary := map[int]bool{first: true}
	for queue := []int{first}; len(queue) > 0; queue = queue[1:] {
		for _, d := range t.entries[queue[0]].dependents {
			if t.work++; !d.optional && t.entries[d.from].at == "" {
				return nil, nil // the project itself needs it
			}
			if !d.optional && !boundary[d.from] {
				boundary[d.from] = true
				queue = append(queue, d.from)
			}
		}
	}
	set, queue := map[int]bool{}, []int{}
	for i := range boundary {
		set[i], queue = true, append(queue, i)
	}
	counts := func(from, to int) bool { return !boundary[to] && !t.entries[from].inert }
	for ; len(queue) > 0; queue = queue[1:] {
		for _, g := range t.entries[queue[0]].edges {
			if t.work++; g.to >= 0 && counts(queue[0], g.to) && !set[g.to] {
				set[g.to] = true
				queue = append(queue, g.to)
			}
		}
	}
	for changed := true; changed && t.work <= maxWork; {
		changed = false
		for i := range set {
			for _, d := range t.entries[i].dependents {
				if t.work++; !set[d.from] && counts(d.from, i) {
					delete(set, i)
					changed = true
					break
				}
			}
		}
	}
	if t.work > maxWork {
		return nil, t.entangled()
	}
	return set, nil
}

func (t *tree) entangled() error {
	return t.file.refuse(remake, "its packages are too entangled")
}
