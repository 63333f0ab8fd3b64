package npm

import "strings"

// Names are npm's rules of names: a package's may have a scope, and capital letters count.
type Names struct{}

// Project implements ecosystem.Names. The spelling of a snapshot is a name, too.
func (Names) Project(name string) (string, bool) {
	if CheckName(Package(name)) != nil {
		return "", false
	}
	return Project(name), true
}

// Glob implements ecosystem.Names: @types/* are the packages of a scope.
func (n Names) Glob(pattern string) (string, bool) {
	_, ok := n.Project(strings.NewReplacer("*", "a", "?", "a").Replace(pattern))
	return Project(pattern), ok
}

// Version implements ecosystem.Names.
func (Names) Version(text string) bool { return CheckVersion(text) == nil }

// Pin implements ecosystem.Names: NAME@VERSION, as npm has it, and NAME==VERSION as for all.
func (n Names) Pin(text string) (project, version string, ok bool) {
	name, version, cut := strings.Cut(text, "==")
	if at := strings.LastIndexByte(text, '@'); !cut && at > 0 {
		name, version, cut = text[:at], text[at+1:], true
	}
	project, ok = n.Project(strings.TrimSpace(name))
	version = strings.TrimSpace(version)
	return project, version, cut && ok && n.Version(version)
}
