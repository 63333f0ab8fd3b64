package lock

import (
	"errors"
	"fmt"
	"strings"

	"larder/snapshot/pep440"
)

// poetryWalk finds what a lock of Poetry 1 installs. It starts from the packages
// that no other one depends on, which the project itself must have named, and
// follows dependencies whose markers hold. What is then reachable only where
// markers do not hold is left out.
func (p *parser) poetryWalk(list []*poetryPackage) error {
	w := &poetryWalk{p: p, byName: make(map[string][]*poetryPackage), linked: make(map[*poetryPackage]bool), taken: make(map[*poetryPackage]bool)}
	needed := make(map[string]bool)
	for _, pkg := range list {
		w.byName[pkg.name] = append(w.byName[pkg.name], pkg)
		for _, dep := range pkg.needs {
			if dep.name != pkg.name {
				needed[dep.name] = true
			}
		}
	}
	for _, inCircle := range [...]bool{false, true} {
		for _, pkg := range list {
			if pkg.optional || w.linked[pkg] || (needed[pkg.name] && !inCircle) {
				continue
			}
			w.link(pkg)
			if w.fits(pkg) {
				if err := w.follow(pkg); err != nil {
					return err
				}
			}
		}
	}
	for _, pkg := range list {
		if w.taken[pkg] {
			if err := p.poetryPin(pkg); err != nil {
				return err
			}
		}
	}
	return nil
}

type poetryWalk struct {
	p      *parser
	byName map[string][]*poetryPackage
	linked map[*poetryPackage]bool // reachable if all markers held
	taken  map[*poetryPackage]bool
}

// link marks everything that pkg can lead to.
func (w *poetryWalk) link(pkg *poetryPackage) {
	queue := []*poetryPackage{pkg}
	w.linked[pkg] = true
	for len(queue) > 0 {
		pkg, queue = queue[0], queue[1:]
		for _, dep := range pkg.needs {
			for _, next := range w.byName[dep.name] {
				if !w.linked[next] {
					w.linked[next] = true
					queue = append(queue, next)
				}
			}
		}
	}
}

// fits tells whether the package allows the environment's Python, and has a file
// for Linux: Poetry 1 does not say that the project wants it elsewhere only.
func (w *poetryWalk) fits(pkg *poetryPackage) bool {
	if pkg.elsewhere {
		return false
	}
	v, err := pep440.Parse(strings.TrimSuffix(w.p.env["python_full_version"], "+"))
	r, err2 := parsePoetryRange(pkg.python)
	return err != nil || err2 != nil || r.contains(v)
}

// follow takes start and what it leads to. The lock does not say which extras of a
// package are asked for, but what only others would need is marked optional; so
// every extra counts, and optional packages are left out.
func (w *poetryWalk) follow(start *poetryPackage) error {
	queue := []*poetryPackage{start}
	w.taken[start] = true
	for len(queue) > 0 {
		pkg := queue[0]
		queue = queue[1:]
		for _, dep := range pkg.needs {
			ok, err := w.p.marker(pkg.pin.File, pkg.line, dep.marker, pkg.extras, nil)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
			next, err := w.choose(pkg, dep)
			if err != nil {
				return err
			}
			if next != nil && !w.taken[next] {
				w.taken[next] = true
				queue = append(queue, next)
			}
		}
	}
	return nil
}

// choose is the package that a dependency means: the version it allows, for this
// Python. nil: the lock has none that is not optional.
func (w *poetryWalk) choose(from *poetryPackage, dep poetryDependency) (*poetryPackage, error) {
	r, err := parsePoetryRange(dep.constraint)
	if err != nil {
		return nil, refuse(from.pin.File, from.line, poetryFix, "%s needs %s: %s", show(from.name), show(dep.name), err)
	}
	var found []*poetryPackage
	for _, pkg := range w.byName[dep.name] {
		v, err := pep440.Parse(pkg.version)
		if err == nil && !pkg.optional && r.contains(v) && w.fits(pkg) {
			found = append(found, pkg)
		}
	}
	switch len(found) {
	case 0:
		return nil, nil
	case 1:
		return found[0], nil
	}
	return nil, refuse(from.pin.File, from.line, poetryFix, "%s needs %s, and %s and %s may be meant", show(from.name), show(dep.name),
		where(found[0].pin.File, found[0].line), where(found[1].pin.File, found[1].line))
}

// poetryRange is one of Poetry's constraints: alternatives, of which one must hold.
type poetryRange []pep440.Specifiers

var errRange = errors.New("not a constraint of Poetry")

// parsePoetryRange reads Poetry's constraints: PEP 440 specifiers, "||" between
// alternatives, "^1.2" (up to the next change of the first number that is not 0),
// "~1.2", "1.2.*", a bare version, and "*" or nothing for any.
func parsePoetryRange(text string) (poetryRange, error) {
	var r poetryRange
	for alt := range strings.SplitSeq(text, "||") {
		var specs pep440.Specifiers
		for _, item := range strings.FieldsFunc(joinOperators(alt), func(c rune) bool { return c == ',' || c == ' ' }) {
			translated, err := poetryItem(item)
			if err == nil && translated != "" {
				var more pep440.Specifiers
				more, err = pep440.ParseSpecifiers(translated)
				specs = append(specs, more...)
			}
			if err != nil {
				return nil, fmt.Errorf("%w: %s", errRange, show(text))
			}
		}
		r = append(r, specs)
	}
	return r, nil
}

// joinOperators removes the white space after operators, so that what is left
// separates clauses.
func joinOperators(s string) string {
	var b strings.Builder
	last := byte(' ')
	for i := range len(s) {
		if s[i] == ' ' && strings.IndexByte("<>=!~^", last) >= 0 {
			continue
		}
		last = s[i]
		b.WriteByte(last)
	}
	return b.String()
}

func poetryItem(item string) (string, error) {
	switch {
	case item == "*":
		return "", nil
	case strings.HasPrefix(item, "^"):
		return caret(item[1:])
	case strings.HasPrefix(item, "~") && !strings.HasPrefix(item, "~="):
		return tilde(item[1:])
	case strings.IndexByte("<>!~=", item[0]) < 0:
		return "==" + item, nil
	case item[0] == '=' && !strings.HasPrefix(item, "=="):
		return "=" + item, nil
	}
	return item, nil
}

// caret: ^1.2.3 is >=1.2.3,<2; ^0.2.3 is >=0.2.3,<0.3; ^0.0.3 is >=0.0.3,<0.0.4.
func caret(v string) (string, error) {
	parts := releaseParts(v)
	for i, part := range parts {
		if strings.Trim(part, "0") != "" || i == len(parts)-1 {
			return ">=" + v + ",==" + atMost(parts[:i+1]), nil
		}
	}
	return "", errRange
}

// tilde: ~1.2.3 and ~1.2 are 1.2.*, ~1 is 1.*.
func tilde(v string) (string, error) {
	parts := releaseParts(v)
	if len(parts) == 0 {
		return "", errRange
	}
	return ">=" + v + ",==" + atMost(parts[:min(2, len(parts))]), nil
}

func atMost(parts []string) string { return strings.Join(parts, ".") + ".*" }

func releaseParts(v string) []string {
	n := 0
	for n < len(v) && (v[n] == '.' || v[n] >= '0' && v[n] <= '9') {
		n++
	}
	return strings.FieldsFunc(v[:n], func(c rune) bool { return c == '.' })
}

func (r poetryRange) contains(v pep440.Version) bool {
	for _, alt := range r {
		if alt.Contains(v, true) {
			return true
		}
	}
	return len(r) == 0
}
