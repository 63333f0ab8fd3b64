package pep508

import (
	"path"
	"strings"
)

// NormalizeGlob returns the normal form of a project's name, or of a glob of names, in which "*"
// stands for any characters and "?" for one; and whether it is one at all.
func NormalizeGlob(glob string) (string, bool) {
	wild := func(with string) string { return strings.NewReplacer("*", with, "?", with).Replace(glob) }
	return Normalize(glob), ValidName(wild("a"))
}

// IsGlob says whether a pattern may match more than one name.
func IsGlob(pattern string) bool { return strings.ContainsAny(pattern, "*?") }

// MatchGlob says whether a normal form of a glob matches a normalised name.
func MatchGlob(glob, name string) bool {
	ok, err := path.Match(glob, name)
	return ok && err == nil
}
