package maven

import "strings"

// Names are the rules of names: group:artifact, and what is in both can be in a path.
type Names struct{}

// Project implements ecosystem.Names.
func (Names) Project(name string) (string, bool) {
	project := Project(name)
	_, err := POMOf(project, "1")
	return project, err == nil
}

// Glob implements ecosystem.Names: org.apache.* are all whose group begins so.
func (n Names) Glob(pattern string) (string, bool) {
	name := strings.NewReplacer("*", "a", "?", "a").Replace(pattern)
	if at := strings.LastIndexByte(pattern, '*'); at >= 0 && !strings.ContainsAny(pattern, ":/") { // it stands for the colon, too
		name = name[:at] + "a:a" + name[at+1:]
	}
	_, ok := n.Project(name)
	return Project(pattern), ok
}

// Version implements ecosystem.Names. One in the making is none: it changes.
func (Names) Version(text string) bool {
	f, err := POMOf("g:a", text)
	return err == nil && !f.Snapshot()
}

// Pin implements ecosystem.Names: GROUP:ARTIFACT:VERSION, as Maven has it, and PROJECT@VERSION or PROJECT==VERSION as
// others do.
func (n Names) Pin(text string) (project, version string, ok bool) {
	name, version, cut := strings.Cut(text, "==")
	if !cut {
		name, version, cut = strings.Cut(text, "@")
	}
	if at := strings.LastIndexByte(text, ':'); !cut && at > 0 {
		name, version, cut = text[:at], text[at+1:], true
	}
	project, ok = n.Project(strings.TrimSpace(name))
	version = strings.TrimSpace(version)
	return project, version, cut && ok && n.Version(version)
}
