package popularity

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"larder/snapshot"
	"larder/snapshot/ecosystem"
)

// Rules are an operator's own word about projects, whatever rankings say. A name may be written in
// any spelling; in Include and Exclude it may be a glob ("torch*"), which is matched against
// normalised names.
//
// Include names what is always in, first, in its order: a name whether or not a ranking has it, a glob
// what the rankings have of it. Exclude names what is never in; but a name written out in Include or
// in Pin wins over a glob, so that "*" excludes all that is not named. Pin holds PROJECT==VERSION, in whatever
// way the ecosystem's people write that: such a project is in as an included one is, at these versions and no
// other. A package url will do for each of them, with a version for Pin.
type Rules struct {
	Of                    ecosystem.Ecosystem
	Include, Exclude, Pin []string
}

// Rule says why a project is in or out.
type Rule struct {
	List string `json:"list"` // include, exclude or pin
	Text string `json:"text"` // as the operator wrote it
}

func (r Rule) String() string { return fmt.Sprintf("%s %q", r.List, r.Text) }

// Check refuses what is no name, no glob and no pin, and a name that is both in and out: ErrConfig.
// list and at say where: "include", "exclude" or "pin", and the place in it.
func (r Rules) Check() (list string, at int, err error) {
	for _, l := range []struct {
		name string
		all  []string
	}{{"include", r.Include}, {"exclude", r.Exclude}} {
		for i, text := range l.all {
			if _, ok := r.glob(text); !ok {
				return l.name, i, fmt.Errorf("%w: %s: %q is not a project name, nor a glob of names such as torch*", ErrConfig, l.name, printable(text))
			}
		}
	}
	for i, text := range r.Pin {
		if _, _, ok := r.parsePin(text); !ok {
			return "pin", i, fmt.Errorf("%w: pin: %q is not PROJECT==VERSION%s", ErrConfig, printable(text), r.pinMeant(text))
		}
	}
	for i, text := range r.Exclude {
		if by, ok := r.named(r.normal(text)); ok && !isGlob(text) {
			return "exclude", i, fmt.Errorf("%w: exclude: %q is also in %s: take it out of one", ErrConfig, printable(text), by.List)
		}
	}
	return "", 0, nil
}

// Excluded says whether a project is never in, and by which rule.
func (r Rules) Excluded(project string) (by Rule, is bool) {
	if _, named := r.named(project); named {
		return Rule{}, false
	}
	for _, text := range r.Exclude {
		if match(r.normal(text), project) {
			return Rule{"exclude", text}, true
		}
	}
	return Rule{}, false
}

// Included says whether a project is always in, and by which rule. place orders what is.
func (r Rules) Included(project string) (by Rule, place int, is bool) {
	for i, text := range r.Include {
		if match(r.normal(text), project) {
			return Rule{"include", text}, i + 1, true
		}
	}
	for i, text := range r.Pin {
		if name, _, _ := r.parsePin(text); name == project {
			return Rule{"pin", text}, len(r.Include) + i + 1, true
		}
	}
	return Rule{}, 0, false
}

// Pins are the versions that a project is pinned to, in their order, each once; none leaves the choice.
func (r Rules) Pins(project string) (versions []string) {
	for _, text := range r.Pin {
		if name, version, _ := r.parsePin(text); name == project && !slices.Contains(versions, version) {
			versions = append(versions, version)
		}
	}
	return versions
}

// Named are the projects written out in Include and Pin, in their order, each once.
func (r Rules) Named() (projects []string) {
	for _, text := range r.Include {
		if !isGlob(text) {
			projects = append(projects, r.normal(text))
		}
	}
	for _, text := range r.Pin {
		name, _, _ := r.parsePin(text)
		projects = append(projects, name)
	}
	seen := map[string]bool{}
	return slices.DeleteFunc(projects, func(p string) bool {
		had := seen[p]
		seen[p] = true
		return had
	})
}

// named says whether a project is written out in Include or Pin.
func (r Rules) named(project string) (Rule, bool) {
	for _, text := range r.Include {
		if !isGlob(text) && r.normal(text) == project {
			return Rule{"include", text}, true
		}
	}
	for _, text := range r.Pin {
		if name, _, _ := r.parsePin(text); name == project {
			return Rule{"pin", text}, true
		}
	}
	return Rule{}, false
}

func (r Rules) normal(text string) string {
	glob, _ := r.glob(text)
	return glob
}

// glob is a snapshot's spelling of a name, or of a pattern of names.
func (r Rules) glob(text string) (string, bool) {
	if snapshot.IsPackageURL(text) {
		project, version, ok := r.Of.ReadName(text)
		return project, ok && version == ""
	}
	return r.Of.Names.Glob(text)
}

// isGlob says whether a pattern may match more than one name.
func isGlob(pattern string) bool { return strings.ContainsAny(pattern, "*?") }

func match(glob, project string) bool {
	ok, err := path.Match(glob, project)
	return ok && err == nil
}

func (r Rules) parsePin(text string) (project, version string, ok bool) {
	if snapshot.IsPackageURL(text) {
		project, version, ok = r.Of.ReadName(text)
		return project, version, ok && version != ""
	}
	return r.Of.Names.Pin(text)
}

// pinMeant guesses which pin was meant by one that is none.
func (r Rules) pinMeant(text string) string {
	for _, operator := range []string{"===", "~=", ">=", "<=", "=", "@", ":", " "} {
		name, version, ok := strings.Cut(text, operator)
		meant := strings.TrimSpace(name) + "==" + strings.TrimSpace(version)
		if _, _, valid := r.parsePin(meant); ok && valid {
			return "; did you mean " + meant + "?"
		}
	}
	if _, _, ok := r.parsePin("numpy==1.26.*"); ok {
		return ", such as numpy==1.26.4 or numpy==1.26.*"
	}
	return ", such as project==1.2.3"
}
