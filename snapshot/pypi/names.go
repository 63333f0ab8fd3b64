package pypi

import (
	"strings"

	"larder/snapshot/pypi/pep440"
	"larder/snapshot/pypi/pep508"
)

// Names are PyPI's rules of names. What they let through is PEP 508's, in its PEP 503 form: it never
// begins with "-", nor has it a "/" or a control character.
type Names struct{}

// maxName bounds a project's name. The longest of the 15,000 names of the public
// ranking of 2026-04 has 55 bytes; a wheel's file name, which holds name,
// version and tags, may have 255.
const maxName = 128

// Project implements ecosystem.Names.
func (Names) Project(name string) (string, bool) {
	if len(name) > maxName || !pep508.ValidName(name) {
		return "", false
	}
	return pep508.Normalize(name), true
}

// Glob implements ecosystem.Names.
func (Names) Glob(pattern string) (string, bool) {
	glob, ok := pep508.NormalizeGlob(pattern)
	return glob, ok && len(pattern) <= maxName
}

// Version implements ecosystem.Names: the characters PEP 440 uses and 64 bytes at most. Whether
// it is one is for whoever compares it.
func (Names) Version(text string) bool {
	if len(text) == 0 || len(text) > 64 || !isAlnum(text[0]) {
		return false
	}
	for i := range len(text) {
		if c := text[i]; !isAlnum(c) && strings.IndexByte(".!+-_", c) < 0 {
			return false
		}
	}
	return true
}

// Pin implements ecosystem.Names: PROJECT==VERSION, also with a ".*" at its end.
func (n Names) Pin(text string) (project, version string, ok bool) {
	name, version, cut := strings.Cut(text, "==")
	project, ok = n.Project(strings.TrimSpace(name))
	version = strings.TrimSpace(version)
	_, err := pep440.ParseSpecifiers("==" + version)
	return project, version, cut && ok && err == nil && n.Version(strings.TrimSuffix(version, ".*"))
}

func isAlnum(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}
