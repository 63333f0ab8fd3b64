package reqfile

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"larder/snapshot/pypi/lock/pins"
	"larder/snapshot/pypi/pep440"
	"larder/snapshot/pypi/pep508"
)

const (
	maxIncludes     = 64 // files of one lock
	maxIncludeDepth = 16
	maxWanted       = 100_000 // requirements, repeated ones counted
	maxLimits       = 64      // constraints on one project
	maxLine         = 1 << 20 // bytes, once joined
	maxHashes       = 2000    // of one line; the largest releases have a few hundred files
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
	set         *pins.Set
	name        string // of the first file
	open        Opener
	files       int // included so far
	wanted      []reqLine
	constraints map[string][]reqLine // by normalised name
	limits      map[string]*limit    // by normalised name, once all is read
	read        map[included]bool    // what was included: the second time it says nothing new
	hashes      string               // where --require-hashes stands, "" if nowhere
	any         bool                 // some line was a requirement, marker true or not
}

// included is a file as requirements, or as constraints.
type included struct {
	shown      string
	constraint bool
}

// Opener reads a file that another one includes. The name is relative to the
// directory of the first file, or absolute; shown is its name for messages.
type Opener func(name, shown string) ([]byte, error)

// Read reads a requirements file as pip does (pip/_internal/req/req_file.py).
func Read(set *pins.Set, name string, data []byte, open Opener) error {
	s := &reqSet{set: set, name: name, open: open, constraints: make(map[string][]reqLine), limits: make(map[string]*limit), read: make(map[included]bool)}
	if err := s.file(name, data, "", false, []string{path.Clean(name)}); err != nil {
		return err
	}
	if !s.any {
		return pins.Refuse(name, 0, "give a lock: uv pip compile, pip-compile or pip freeze make one", "holds no requirement")
	}
	for _, w := range s.wanted {
		pin, err := s.pin(w)
		if err == nil {
			err = set.Add(pin)
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
	for n, text := range joinLines(string(data)) {
		if text = stripComment(text); text == "" {
			continue
		}
		if len(text) > maxLine {
			return pins.Refuse(name, n, "make the lock anew", "a line of more than %d bytes", maxLine)
		}
		var err error
		if strings.HasPrefix(text, "-") {
			err = s.option(name, n, text, dir, chain)
		} else {
			err = s.requirement(name, n, text, constraint)
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
		return pins.Refuse(file, line, "take the line out (uv export has --no-emit-workspace), and install it after: pip install --no-deps -e",
			"an editable project cannot be pinned")
	case "--no-binary":
		if arg != ":none:" {
			return pins.Refuse(file, line, "take the line out, or build a wheel and put it on your index", "--no-binary asks for a build from source, only wheels are used")
		}
	case "--require-hashes":
		s.hashes = pins.Where(file, line)
	case "-i", "--index-url", "--pypi-url", "--extra-index-url", "--no-index", "-f", "--find-links", "--trusted-host",
		"--only-binary", "--prefer-binary", "--pre", "--use-feature", "--all-releases", "--only-final", "--uploaded-prior-to":
	default:
		return pins.Refuse(file, line, "take the line out", "unknown option %s", pins.Show(opt))
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
		return pins.Refuse(file, line, "name the file", "includes no file")
	case strings.Contains(arg, "://"):
		return pins.Refuse(file, line, "download it, and include the file", "includes %s from a URL", kind)
	case strings.Contains(arg, "${"):
		return pins.Refuse(file, line, "write the name of the file", "environment variables are not expanded: %s", pins.Show(arg))
	case s.open == nil:
		return pins.Refuse(file, line, "make one file of it", "includes %s", pins.Show(arg))
	case len(chain) > maxIncludeDepth:
		return pins.Refuse(file, line, "make one file of it", "includes nested deeper than %d", maxIncludeDepth)
	}
	if s.files++; s.files > maxIncludes {
		return pins.Refuse(file, line, "make one file of it", "more than %d included files", maxIncludes)
	}
	name := arg
	if !path.IsAbs(arg) {
		name = path.Join(dir, arg)
	}
	shown := name
	if !path.IsAbs(name) {
		shown = path.Join(path.Dir(s.name), name)
	}
	if slices.Contains(chain, shown) {
		return pins.Refuse(file, line, "take one of the includes out", "includes %s, which includes this file: a circle", pins.Show(arg))
	}
	this := included{shown, constraint}
	if s.read[this] {
		return nil
	}
	s.read[this] = true
	data, err := s.open(name, shown)
	why := ""
	switch {
	case errors.Is(err, pins.ErrRefused):
		return err
	case errors.Is(err, fs.ErrNotExist):
		why = "does not exist"
	case errors.Is(err, fs.ErrPermission):
		why = "may not be read"
	case err != nil:
		why = "cannot be read"
	}
	if why != "" {
		return pins.Refuse(file, line, "correct the name, it is relative to this file", "the included %s %s", pins.Show(arg), why)
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
		return pins.Refuse(file, line, fix, "%s is no pin", what)
	}
	r, err := pep508.ParseRequirement(spec)
	if err != nil {
		return pins.Refuse(file, line, "write it as NAME==VERSION", "%s", err)
	}
	if r.URL != "" {
		return pins.Refuse(file, line, "pin a released version: "+pins.Show(r.Name)+"==VERSION", "%s comes from a URL, which is no pin", pins.Show(r.Name))
	}
	s.any = s.any || !constraint
	ok, err := r.Marker.Evaluate(s.set.Env)
	if err != nil {
		return pins.Refuse(file, line, "correct the marker", "%s", err)
	}
	if !ok {
		return nil
	}
	l := reqLine{file, line, r, hashes}
	name := pep508.Normalize(r.Name)
	switch {
	case len(s.wanted) == maxWanted:
		return pins.Refuse(file, line, "use a smaller lock", "more than %d requirements", maxWanted)
	case len(s.constraints[name]) == maxLimits:
		return pins.Refuse(file, line, "use fewer constraints", "more than %d constraints on %s", maxLimits, pins.Show(name))
	case !constraint:
		s.wanted = append(s.wanted, l)
		return nil
	}
	s.constraints[name] = append(s.constraints[name], l)
	return nil
}

// pin finds the one version a line and its constraints allow.
func (s *reqSet) pin(w reqLine) (pins.Pin, error) {
	name := pep508.Normalize(w.req.Name)
	l := s.limit(name)
	v, ok := exact(w.req.Specifiers)
	if !ok {
		v, ok = l.version, l.exact
	}
	if !ok {
		return pins.Pin{}, pins.Refuse(w.file, w.line, "write "+pins.Show(name)+"==VERSION, or compile a lock: uv pip compile, pip-compile", "%s is not pinned", pins.Show(w.req.Name))
	}
	against := l.against(v)
	if against == nil && !allows(w.req.Specifiers, v) {
		against = &w
	}
	if against != nil {
		return pins.Pin{}, pins.Refuse(w.file, w.line, "make the two agree", "%s %s does not satisfy %s", pins.Show(w.req.Name), v, pins.Where(against.file, against.line))
	}
	var hashes []string
	if w.hashes != nil || !l.pinned { // else the set has them
		hashes = l.common(w.hashes)
	}
	if hashes != nil && len(hashes) == 0 {
		return pins.Pin{}, pins.Refuse(w.file, w.line, "make the two agree", "%s has no hash in common with its constraint", pins.Show(w.req.Name))
	}
	l.pinned = true
	return pins.Pin{Name: name, Version: v.String(), Hashes: hashes, File: w.file, Line: w.line}, nil
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

// checkHashes holds what pip holds: one hash, or --require-hashes, and every pin
// needs one.
func (s *reqSet) checkHashes() error {
	because := s.hashes
	list := s.set.Pins()
	for _, pin := range list {
		if because == "" && len(pin.Hashes) > 0 {
			because = pins.Where(pin.File, pin.Line)
		}
	}
	if because == "" {
		return nil
	}
	for _, pin := range list {
		if len(pin.Hashes) == 0 {
			return pins.Refuse(pin.File, pin.Line, "write its hashes too (uv pip compile --generate-hashes), or none at all",
				"%s has no hash, but %s asks for hashes", pin.Name, because)
		}
	}
	return nil
}
