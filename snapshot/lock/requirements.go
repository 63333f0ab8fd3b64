package lock

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"larder/snapshot/pep440"
	"larder/snapshot/pep508"
)

const (
	maxIncludes     = 64 // files of one lock
	maxIncludeDepth = 16
)

// reqLine is one requirement or constraint whose marker holds.
type reqLine struct {
	file   string
	line   int
	req    pep508.Requirement
	hashes []string
}

// reqSet is what a requirements file and its includes say.
type reqSet struct {
	p           *parser
	wanted      []reqLine
	constraints map[string][]reqLine // by normalised name
	hashes      string               // where --require-hashes stands, "" if nowhere
	any         bool                 // some line was a requirement, marker true or not
}

// requirements reads a requirements file as pip does (pip/_internal/req/req_file.py).
func (p *parser) requirements(name string, data []byte) error {
	s := &reqSet{p: p, constraints: make(map[string][]reqLine)}
	if err := s.file(name, data, "", false, []string{path.Clean(name)}); err != nil {
		return err
	}
	if !s.any {
		return refuse(name, 0, formats, "holds no requirement")
	}
	for _, w := range s.wanted {
		pin, err := s.pin(w)
		if err == nil {
			err = p.add(pin)
		}
		if err != nil {
			return err
		}
	}
	return s.checkHashes()
}

// file reads one file. Dir is where it is, relative to the directory of the lock.
// The chain is the files being read, to find circles.
func (s *reqSet) file(name string, data []byte, dir string, constraint bool, chain []string) error {
	for _, l := range joinLines(string(data)) {
		text := stripComment(l.text)
		if text == "" {
			continue
		}
		var err error
		if strings.HasPrefix(text, "-") {
			err = s.option(name, l.n, text, dir, chain)
		} else {
			err = s.requirement(name, l.n, text, constraint)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// option is a line that is no requirement. What says where to download from is
// ignored: the builder asks pip's configuration.
func (s *reqSet) option(file string, line int, text, dir string, chain []string) error {
	opt, arg := splitOption(text)
	switch opt {
	case "-r", "--requirement":
		return s.include(file, line, arg, dir, false, chain)
	case "-c", "--constraint":
		return s.include(file, line, arg, dir, true, chain)
	case "-e", "--editable":
		return refuse(file, line, "take the line out (uv export has --no-emit-workspace), and install it after: pip install --no-deps -e",
			"an editable project cannot be pinned")
	case "--no-binary":
		if arg != ":none:" {
			return refuse(file, line, "take the line out, or build a wheel and put it on your index", "--no-binary asks for a build from source, only wheels are used")
		}
	case "--require-hashes":
		s.hashes = where(file, line)
	case "-i", "--index-url", "--pypi-url", "--extra-index-url", "--no-index", "-f", "--find-links", "--trusted-host",
		"--only-binary", "--prefer-binary", "--pre", "--use-feature", "--all-releases", "--only-final", "--uploaded-prior-to":
	default:
		return refuse(file, line, "take the line out", "unknown option %s", show(opt))
	}
	return nil
}

func (s *reqSet) include(file string, line int, arg, dir string, constraint bool, chain []string) error {
	kind := "requirements"
	if constraint {
		kind = "constraints"
	}
	switch {
	case arg == "":
		return refuse(file, line, "name the file", "includes no file")
	case strings.Contains(arg, "://"):
		return refuse(file, line, "download it, and include the file", "includes %s from a URL", kind)
	case strings.Contains(arg, "${"):
		return refuse(file, line, "write the name of the file", "environment variables are not expanded: %s", show(arg))
	case s.p.open == nil:
		return refuse(file, line, "make one file of it", "includes %s", show(arg))
	case len(chain) > maxIncludeDepth:
		return refuse(file, line, "make one file of it", "includes nested deeper than %d", maxIncludeDepth)
	}
	if s.p.files++; s.p.files > maxIncludes {
		return refuse(file, line, "make one file of it", "more than %d included files", maxIncludes)
	}
	name := arg
	if !path.IsAbs(arg) {
		name = path.Join(dir, arg)
	}
	shown := name
	if !path.IsAbs(name) {
		shown = path.Join(path.Dir(s.p.name), name)
	}
	if slices.Contains(chain, shown) {
		return refuse(file, line, "take one of the includes out", "includes %s, which includes this file: a circle", show(arg))
	}
	f, err := s.p.open(name)
	if err != nil {
		why := "cannot be opened"
		if errors.Is(err, fs.ErrNotExist) {
			why = "does not exist"
		} else if errors.Is(err, fs.ErrPermission) {
			why = "may not be read"
		}
		return refuse(file, line, "correct the name, it is relative to this file", "the included %s %s", show(arg), why)
	}
	defer f.Close()
	data, err := s.p.read(shown, f)
	if err != nil {
		return err
	}
	return s.file(shown, data, path.Dir(name), constraint, append(slices.Clip(chain), shown))
}

// requirement is a line that names a project.
func (s *reqSet) requirement(file string, line int, text string, constraint bool) error {
	spec, hashes, err := splitHashes(file, line, text)
	if err != nil {
		return err
	}
	if what, fix := direct(spec); what != "" {
		return refuse(file, line, fix, "%s is no pin", what)
	}
	r, err := pep508.ParseRequirement(spec)
	if err != nil {
		return refuse(file, line, "write it as NAME==VERSION", "%s", err)
	}
	if r.URL != "" {
		return refuse(file, line, "pin a released version: "+show(r.Name)+"==VERSION", "%s comes from a URL, which is no pin", show(r.Name))
	}
	s.any = s.any || !constraint
	ok, err := r.Marker.Evaluate(s.p.env)
	if err != nil {
		return refuse(file, line, "correct the marker", "%s", err)
	}
	if !ok {
		return nil
	}
	l := reqLine{file, line, r, hashes}
	if !constraint {
		s.wanted = append(s.wanted, l)
		return nil
	}
	name := pep508.Normalize(r.Name)
	s.constraints[name] = append(s.constraints[name], l)
	return nil
}

// pin finds the one version a line and its constraints allow.
func (s *reqSet) pin(w reqLine) (Pin, error) {
	name := pep508.Normalize(w.req.Name)
	limits := s.constraints[name]
	specs, hashes := w.req.Specifiers, w.hashes
	for _, c := range limits {
		specs = append(slices.Clip(specs), c.req.Specifiers...)
		hashes = common(hashes, c.hashes)
	}
	v, ok := exact(w.req.Specifiers)
	for _, c := range limits {
		if !ok {
			v, ok = exact(c.req.Specifiers)
		}
	}
	if !ok {
		return Pin{}, refuse(w.file, w.line, "write "+show(name)+"==VERSION, or compile a lock: uv pip compile, pip-compile", "%s is not pinned", show(w.req.Name))
	}
	if !allows(specs, v) {
		at := where(w.file, w.line)
		for _, c := range limits {
			if !allows(c.req.Specifiers, v) {
				at = where(c.file, c.line)
			}
		}
		return Pin{}, refuse(w.file, w.line, "make the two agree", "%s %s does not satisfy %s", show(w.req.Name), v, at)
	}
	if hashes != nil && len(hashes) == 0 {
		return Pin{}, refuse(w.file, w.line, "make the two agree", "%s has no hash in common with its constraint", show(w.req.Name))
	}
	return Pin{Name: name, Version: v.String(), Hashes: slices.Clone(hashes), File: w.file, Line: w.line}, nil
}

// exact finds a version that some clause names outright.
func exact(list pep440.Specifiers) (pep440.Version, bool) {
	for i := range list {
		if v, ok := list[i : i+1].Exact(); ok {
			return v, true
		}
	}
	return pep440.Version{}, false
}

// allows is Contains, except that === compares versions and not their spelling.
func allows(list pep440.Specifiers, v pep440.Version) bool {
	for i := range list {
		one := list[i : i+1]
		if e, ok := one.Exact(); ok {
			if one[0].Operator == "===" && e.Compare(v) == 0 {
				continue
			}
		}
		if !one.Contains(v, true) {
			return false
		}
	}
	return true
}

// common is what both sets allow; nil allows everything.
func common(a, b []string) []string {
	if a == nil || b == nil {
		return append(a, b...)
	}
	both := []string{}
	for _, h := range a {
		if slices.Contains(b, h) {
			both = append(both, h)
		}
	}
	return both
}

// checkHashes holds what pip holds: one hash, or --require-hashes, and every pin
// needs one.
func (s *reqSet) checkHashes() error {
	because := s.hashes
	names := make([]string, 0, len(s.p.pins))
	for name, pin := range s.p.pins {
		names = append(names, name)
		if because == "" && len(pin.Hashes) > 0 {
			because = where(pin.File, pin.Line)
		}
	}
	if because == "" {
		return nil
	}
	slices.Sort(names)
	for _, name := range names {
		if pin := s.p.pins[name]; len(pin.Hashes) == 0 {
			return refuse(pin.File, pin.Line, "write its hashes too (uv pip compile --generate-hashes), or none at all",
				"%s has no hash, but there are hashes", name)
		}
	}
	return nil
}
