package lock

// kept are the members of a package's entry that npm writes into its hidden lock file; what it finds out
// anew comes from the same places of the lock.
var kept = map[string]bool{
	"version": true, "dependencies": true, "peerDependencies": true, "peerDependenciesMeta": true, "optionalDependencies": true,
	"bundleDependencies": true, "acceptDependencies": true, "funding": true, "engines": true, "os": true, "cpu": true, "libc": true,
	"license": true, "hasInstallScript": true, "bin": true, "deprecated": true, "workspaces": true, "name": true,
	"integrity": true, "inBundle": true, "hasShrinkwrap": true, "resolved": true,
	"extraneous": true, "peer": true, "dev": true, "optional": true, "devOptional": true,
}

// hidden is the text of node_modules/.package-lock.json: the lock as version 3, with what is there.
func (t *tree) hidden() []byte {
	top := value{kind: '{'}
	for _, m := range t.top.members {
		switch m.name {
		case "dependencies":
		case "lockfileVersion":
			m.value = value{kind: '0', text: "3"}
		case "requires":
			m.value = value{kind: 't', text: "true"}
		case "packages":
			m.value = t.hiddenPackages()
		}
		if m.name != "dependencies" {
			top.members = append(top.members, m)
		}
	}
	if t.top.get("requires").kind == 0 { // before the objects, as npm sorts
		requires := member{"requires", value{kind: 't', text: "true"}}
		at := len(top.members)
		for i, m := range top.members {
			if m.kind == '{' {
				at = i
				break
			}
		}
		top.members = append(top.members[:at:at], append([]member{requires}, top.members[at:]...)...)
	}
	return append(top.appendJSON(nil, t.newline, t.indent, ""), t.newline...)
}

func (t *tree) hiddenPackages() value {
	packages := value{kind: '{'}
	for i := range t.entries {
		e := &t.entries[i]
		if e.at == "" || e.inert || e.leftOut != "" {
			continue
		}
		packages.members = append(packages.members, member{e.at, e.hidden()})
	}
	return packages
}

// hidden is an entry as npm writes it again.
func (e *entry) hidden() value {
	if e.link {
		return value{kind: '{', members: keep(e.raw.members, func(m *member) bool { return m.name == "resolved" || m.name == "link" })}
	}
	dev, optional := e.raw.get("dev").is(), e.optional
	extraneous := e.raw.get("extraneous").is()
	return value{kind: '{', members: keep(e.raw.members, func(m *member) bool {
		switch m.name {
		case "name":
			return m.str() != e.folder
		case "license":
			if kind := m.get("type"); m.kind == '{' && !kind.empty() {
				m.value = kind
			}
		case "devDependencies":
			return !e.installed && !m.empty()
		case "peer", "dev", "optional":
			return !extraneous && !m.empty()
		case "devOptional":
			return !extraneous && !dev && !optional && !m.empty()
		}
		return kept[m.name] && !m.empty()
	})}
}

func keep(all []member, want func(*member) bool) []member {
	var some []member
	for _, m := range all {
		if want(&m) {
			some = append(some, m)
		}
	}
	return some
}
