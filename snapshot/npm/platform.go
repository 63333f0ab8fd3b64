package npm

import "strings"

// Platform is what a package says of where it may be installed, as its package.json has it.
type Platform struct{ OS, CPU, Libc []string }

// On says whether a package is for a target, as npm's own check does.
func (p Platform) On(t Tag) bool {
	return Allows(p.OS, t.OS()) && Allows(p.CPU, t.CPU()) && Allows(p.Libc, t.Libc())
}

// Allows says whether a package's list has a platform, as npm-install-checks does: none of those with
// "!", and one of the others where there are any.
func Allows(list []string, is string) bool {
	if len(list) == 1 && list[0] == "any" {
		return true
	}
	not, match := 0, false
	for _, item := range list {
		if other, negated := strings.CutPrefix(item, "!"); negated {
			if not++; other == is {
				return false
			}
		} else {
			match = match || item == is
		}
	}
	return match || not == len(list)
}

// String names what a package is for.
func (p Platform) String() string {
	var parts []string
	for _, list := range [][]string{p.OS, p.CPU, p.Libc} {
		if len(list) > 0 {
			parts = append(parts, strings.Join(list, " or "))
		}
	}
	return strings.Join(parts, ", ")
}
