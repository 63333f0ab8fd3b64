package lock

import (
	"path"
	"slices"
	"strings"

	"larder/snapshot/npm"
)

// entry is one of a lock's packages.
type entry struct {
	at       string // its location, such as node_modules/a/node_modules/b; "" is the project itself
	own      string // the user's directory whose node_modules it is in; "" is the project's
	folder   string // the end of its location, with a scope
	name     string // of its package
	version  string
	resolved string
	sums     []npm.Sum // any of them will do; none: it is of no registry, or not in the lock
	raw      value

	installed bool // its location is below a node_modules
	depth     int  // of node_modules directories that it is in
	link      bool // to what is at resolved
	bundled   bool // it is in the tarball of a package that it lies in
	optional  bool
	foreign   bool   // somebody asks for it by an address
	leftOut   string // why its files cannot be had; "" they can
	inert     bool   // it is not wanted on the target

	parent     int    // the entry it lies in, -1 for the project
	edges      []edge // to other packages
	dependents []dependent
}

// dependent is an entry that asks for another one.
type dependent struct {
	from     int
	optional bool
}

// edge is one name that a package asks for.
type edge struct {
	name, spec string
	optional   bool
	to         int // an entry, -1 when there is none
}

// readEntry reads one of a lock's packages.
func (f file) readEntry(at string, raw value) (entry, error) {
	e := entry{at: at, raw: raw, version: raw.get("version").str(), resolved: raw.get("resolved").str(),
		link: raw.get("link").is(), bundled: raw.get("inBundle").is(), optional: raw.get("optional").is(), parent: -1}
	if raw.kind != '{' {
		return e, f.refuse(remake, "packages: %s is no object", show(at))
	}
	if err := f.locate(&e); err != nil {
		return e, err
	}
	if e.name = raw.get("name").str(); e.name == "" {
		e.name = e.folder
	}
	e.edges = edgesOf(raw, !e.installed)
	if !e.installed {
		return e, nil
	}
	if e.link {
		if e.resolved == "" || len(e.resolved) > maxPath || path.IsAbs(e.resolved) || strings.ContainsAny(e.resolved, "\x00\\") {
			return e, f.refuse(remake, "packages: %s links to %s, which is no path in or beside the project", show(at), show(e.resolved))
		}
		return e, nil
	}
	if e.bundled {
		return e, nil
	}
	var err error
	e.leftOut, err = f.source(&e)
	return e, err
}

// source reads where a package comes from, and says why it cannot be had.
func (f file) source(e *entry) (leftOut string, err error) {
	scheme, _, _ := strings.Cut(e.resolved, ":")
	switch {
	case strings.HasPrefix(scheme, "git"):
		return "git", nil
	case scheme == "file":
		return "file", nil
	}
	integrity := e.raw.get("integrity").str()
	if integrity == "" {
		return "no integrity", nil
	}
	if e.sums, err = npm.ParseIntegrity(integrity); err != nil {
		return "", f.refuse(remake, "packages: %s: %v", show(e.at), err)
	}
	if err := npm.CheckName(e.name); err != nil {
		return "", f.refuse(remake, "packages: %s: %v", show(e.at), err)
	}
	if err := npm.CheckVersion(e.version); err != nil {
		return "", f.refuse(remake, "packages: %s: %v", show(e.at), err)
	}
	return "", nil
}

// maxPath bounds a location.
const maxPath = 3000

// locate takes a location apart.
func (f file) locate(e *entry) error {
	if e.at == "" {
		return nil
	}
	if len(e.at) > maxPath || strings.ContainsAny(e.at, "\x00\\") {
		return f.refuse(remake, "packages: %s is no location", show(e.at))
	}
	parts := strings.Split(e.at, "/")
	own := slices.Index(parts, "node_modules")
	if own < 0 {
		return f.locateOwn(e, parts)
	}
	if own > 0 {
		if err := f.locateOwn(e, parts[:own]); err != nil {
			return err
		}
		if parts[0] == ".." {
			return f.refuse("npm ci with the stocked cache installs it: larder run -- npm ci",
				"packages: %s lies in a node_modules outside of the project, and nothing is mounted there", show(e.at))
		}
		e.own, parts = strings.Join(parts[:own], "/"), parts[own:]
	}
	for e.installed = true; len(parts) > 0; e.depth++ {
		if parts[0] != "node_modules" || len(parts) < 2 {
			return f.refuse(remake, "packages: %s is no location", show(e.at))
		}
		e.folder, parts = parts[1], parts[2:]
		if strings.HasPrefix(e.folder, "@") && len(parts) > 0 {
			e.folder, parts = e.folder+"/"+parts[0], parts[1:]
		}
		if err := npm.CheckName(e.folder); err != nil {
			return f.refuse(remake, "packages: %s: %v", show(e.at), err)
		}
	}
	return nil
}

// locateOwn takes the location of a directory of the user's own apart.
func (f file) locateOwn(e *entry, parts []string) error {
	for i, part := range parts {
		if part == "" || part == "." || len(part) > 255 || part == ".." && i > 0 && parts[i-1] != ".." {
			return f.refuse(remake, "packages: %s is no location", show(e.at))
		}
	}
	e.folder = parts[len(parts)-1]
	if len(parts) > 1 && strings.HasPrefix(parts[len(parts)-2], "@") {
		e.folder = parts[len(parts)-2] + "/" + e.folder
	}
	return nil
}

// edgesOf are the names that a package asks for. An optional one counts before a plain one, and that
// before a peer; those for its own development count where it is the user's.
func edgesOf(raw value, own bool) []edge {
	var edges []edge
	at := map[string]int{}
	add := func(kind string, optional func(name string) bool) {
		for _, m := range raw.get(kind).members {
			e := edge{name: m.name, spec: m.str(), optional: optional(m.name), to: -1}
			if i, there := at[m.name]; there {
				edges[i] = e
			} else {
				at[m.name] = len(edges)
				edges = append(edges, e)
			}
		}
	}
	never, always := func(string) bool { return false }, func(string) bool { return true }
	meta := raw.get("peerDependenciesMeta")
	add("peerDependencies", func(name string) bool { return meta.get(name).get("optional").is() })
	add("dependencies", never)
	add("optionalDependencies", always)
	if own {
		add("devDependencies", never)
	}
	return edges
}

// byAddress says whether what is asked for is no package of a registry.
func byAddress(spec string) bool {
	scheme, _, ok := strings.Cut(spec, ":")
	return ok && scheme != "npm" && scheme != "workspace"
}

// fits says whether a package is for a target.
func (e *entry) fits(t npm.Tag) bool {
	for name, is := range map[string]string{"os": t.OS(), "cpu": t.CPU(), "libc": t.Libc()} {
		if !inList(e.raw.get(name), is) {
			return false
		}
	}
	return true
}

// inList says whether a package's list, or its one word, has a platform.
func inList(list value, is string) bool {
	items := list.items
	switch {
	case list.kind == '"' && list.text != "":
		items = []value{list}
	case list.kind != '[':
		return true
	}
	words := make([]string, len(items))
	for i, item := range items {
		words[i] = item.str()
	}
	return npm.Allows(words, is)
}
