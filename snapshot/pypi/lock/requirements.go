package lock

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"larder/snapshot/pypi/pep508"
)

const (
	maxIncludes     = 64 // files of one lock
	maxIncludeDepth = 16
	maxWanted       = 100_000 // requirements, repeated ones counted
	maxLimits       = 64      // constraints on one project
	maxHashes       = 2000    // of one line; the largest releases have a few hundred files
)

// requirement is one requirement or constraint whose marker holds.
type requirement struct {
	at     position
	req    pep508.Requirement
	hashes []string
}

// requirements is what a requirements file and its includes say.
type requirements struct {
	set         *pinSet
	name        string // of the first file
	budget      *budget
	open        Opener
	files       int // included so far
	wanted      []requirement
	constraints map[string][]requirement // by normalised name
	limits      map[string]*limit        // by normalised name, once all is read
	read        map[included]bool        // what was included: the second time it says nothing new
	hashes      string                   // where --require-hashes stands, "" if nowhere
	any         bool                     // some line was a requirement, marker true or not
}

// included is a file as requirements, or as constraints.
type included struct {
	shown      string
	constraint bool
}

// readRequirements reads a requirements file as pip does (pip/_internal/req/req_file.py).
//
// A constraint limits or pins what some line asks for, and nothing else. Where one
// pin has a hash, or --require-hashes is given, every pin needs one, as for pip.
// Options that say where to download from are ignored. A line that names a file,
// a directory, a repository or a URL is refused, and not repeated in the message.
func readRequirements(set *pinSet, name string, data []byte, b *budget, open Opener) error {
	s := &requirements{set: set, name: name, budget: b, open: open,
		constraints: make(map[string][]requirement), limits: make(map[string]*limit), read: make(map[included]bool)}
	if err := s.file(name, data, "", false, []string{path.Clean(name)}); err != nil {
		return err
	}
	if !s.any {
		return position{file: name}.refuse("give a lock: uv pip compile, pip-compile or pip freeze make one", "holds no requirement")
	}
	for _, w := range s.wanted {
		pin, err := s.pin(w)
		if err == nil {
			err = set.add(pin)
		}
		if err != nil {
			return err
		}
	}
	return s.checkHashes()
}

// file reads one file. Dir is where it is, relative to the directory of the lock.
// The chain is the files being read, to find circles.
func (s *requirements) file(name string, data []byte, dir string, constraint bool, chain []string) error {
	for n, text := range joinLines(string(data)) {
		at := position{name, n}
		if text = stripComment(text); text == "" {
			continue
		}
		if len(text) > maxLine {
			return at.refuse(remake, "a line of more than %d bytes", maxLine)
		}
		var err error
		if strings.HasPrefix(text, "-") {
			err = s.option(at, text, dir, chain)
		} else {
			err = s.requirement(at, text, constraint)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// option is a line that is no requirement. What says where to download from is
// ignored: the builder asks pip's configuration.
func (s *requirements) option(at position, text, dir string, chain []string) error {
	opt, arg := splitOption(text)
	switch opt {
	case "-r", "--requirement":
		return s.include(at, arg, dir, false, chain)
	case "-c", "--constraint":
		return s.include(at, arg, dir, true, chain)
	case "-e", "--editable":
		return at.refuse("take the line out (uv export has --no-emit-workspace), and install it after: pip install --no-deps -e",
			"an editable project cannot be pinned")
	case "--no-binary":
		if arg != ":none:" {
			return at.refuse("take the line out, or build a wheel and put it on your index", "--no-binary asks for a build from source, only wheels are used")
		}
	case "--require-hashes":
		s.hashes = at.String()
	case "-i", "--index-url", "--pypi-url", "--extra-index-url", "--no-index", "-f", "--find-links", "--trusted-host",
		"--only-binary", "--prefer-binary", "--pre", "--use-feature", "--all-releases", "--only-final", "--uploaded-prior-to":
	default:
		return at.refuse("take the line out", "unknown option %s", show(opt))
	}
	return nil
}

func (s *requirements) include(at position, arg, dir string, constraint bool, chain []string) error {
	kind := "requirements"
	if constraint {
		kind = "constraints"
	}
	const merge = "make one file of it"
	switch {
	case arg == "":
		return at.refuse("name the file", "includes no file")
	case strings.Contains(arg, "://"):
		return at.refuse("download it, and include the file", "includes %s from a URL", kind)
	case strings.Contains(arg, "${"):
		return at.refuse("write the name of the file", "environment variables are not expanded: %s", show(arg))
	case s.open == nil:
		return at.refuse(merge, "includes %s", show(arg))
	case len(chain) > maxIncludeDepth:
		return at.refuse(merge, "includes nested deeper than %d", maxIncludeDepth)
	}
	if s.files++; s.files > maxIncludes {
		return at.refuse(merge, "more than %d included files", maxIncludes)
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
		return at.refuse("take one of the includes out", "includes %s, which includes this file: a circle", show(arg))
	}
	this := included{shown, constraint}
	if s.read[this] {
		return nil
	}
	s.read[this] = true
	data, err := s.load(name, shown)
	if err != nil && !errors.Is(err, ErrRefused) {
		err = at.refuse("correct the name, it is relative to this file", "the included %s %s", show(arg), why(err))
	}
	if err != nil {
		return err
	}
	return s.file(shown, data, path.Dir(name), constraint, append(slices.Clip(chain), shown))
}

func (s *requirements) load(name, shown string) ([]byte, error) {
	f, err := s.open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return s.budget.read(shown, f)
}

// why is what an error of the file system comes to.
func why(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "does not exist"
	case errors.Is(err, fs.ErrPermission):
		return "may not be read"
	}
	return "cannot be read"
}

// requirement is a line that names a project.
func (s *requirements) requirement(at position, text string, constraint bool) error {
	spec, hashes, err := splitHashes(at, text)
	if err != nil {
		return err
	}
	if what, fix := direct(spec); what != "" {
		return at.refuse(fix, "%s is no pin", what)
	}
	r, err := pep508.ParseRequirement(spec)
	if err != nil {
		return at.refuse("write it as NAME==VERSION", "%s", err)
	}
	if r.URL != "" {
		return at.refuse("pin a released version: "+show(r.Name)+"==VERSION", "%s comes from a URL, which is no pin", show(r.Name))
	}
	s.any = s.any || !constraint
	ok, err := r.Marker.Evaluate(s.set.env)
	if err != nil {
		return at.refuse("correct the marker", "%s", err)
	}
	if !ok {
		return nil
	}
	l := requirement{at, r, hashes}
	name := pep508.Normalize(r.Name)
	switch {
	case len(s.wanted) == maxWanted:
		return at.refuse("use a smaller lock", "more than %d requirements", maxWanted)
	case len(s.constraints[name]) == maxLimits:
		return at.refuse("use fewer constraints", "more than %d constraints on %s", maxLimits, show(name))
	case constraint:
		s.constraints[name] = append(s.constraints[name], l)
	default:
		s.wanted = append(s.wanted, l)
	}
	return nil
}

// pin finds the one version a line and its constraints allow.
func (s *requirements) pin(w requirement) (Pin, error) {
	name := pep508.Normalize(w.req.Name)
	l := s.limit(name)
	v, ok := exact(w.req.Specifiers)
	if !ok {
		v, ok = l.version, l.exact
	}
	if !ok {
		return Pin{}, w.at.refuse("write "+show(name)+"==VERSION, or compile a lock: uv pip compile, pip-compile", "%s is not pinned", show(w.req.Name))
	}
	against := l.against(v)
	if against == nil && !allows(w.req.Specifiers, v) {
		against = &w
	}
	if against != nil {
		return Pin{}, w.at.refuse("make the two agree", "%s %s does not satisfy %s", show(w.req.Name), v, against.at)
	}
	var hashes []string
	if w.hashes != nil || l.pinned == "" { // else the set has them
		hashes = l.common(w.hashes)
	}
	if hashes != nil && len(hashes) == 0 {
		return Pin{}, w.at.refuse("make the two agree", "%s has no hash in common with its constraint", show(w.req.Name))
	}
	l.pinned = v.Canonical()
	// A hash may be a wheel's or a source's: the file does not say.
	return Pin{Name: name, Version: v.String(), Hashes: hashes, Sources: slices.Clone(hashes), File: w.at.file, Line: w.at.line}, nil
}

// checkHashes refuses a pin without a hash where another has one, or --require-hashes
// is given, as pip does.
func (s *requirements) checkHashes() error {
	because := s.hashes
	pins := s.set.lock().Pins
	for _, pin := range pins {
		if because == "" && len(pin.Hashes) > 0 {
			because = pin.at().String()
		}
	}
	for _, pin := range pins {
		if because != "" && len(pin.Hashes) == 0 {
			return pin.at().refuse("write its hashes too (uv pip compile --generate-hashes), or none at all",
				"%s has no hash, but %s asks for hashes", pin.Name, because)
		}
	}
	return nil
}
