package pypi

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"larder/builder"
	"larder/builder/pypi/index"
	"larder/builder/pypi/wheel"
	"larder/snapshot"
	"larder/snapshot/pypi"
	"larder/snapshot/pypi/pep440"
	"larder/snapshot/pypi/pep508"
)

// candidate is one file of a project that a target accepts.
type candidate struct {
	file    index.File
	name    wheel.Name
	version pep440.Version
	rank    int // of its tags in pip's order for the target; lower is better
	source  bool
}

// request is what is asked of a project's files.
type request struct {
	project string // normalised
	tag     pypi.Tag
	python  string        // version of the target's interpreter
	pin     *snapshot.Pin // nil: the newest release
	sources bool          // a source will do, where no wheel of its version fits
}

// choose returns the file pip would choose for the target among a project's
// files: the newest release, then the best tag, then the highest build number; a source is worse than any
// wheel of its release. When nothing fits, the error is the reason, in words for a person.
func choose(files []index.File, r request) (candidate, error) {
	fit, err := fitting(files, r)
	if err != nil {
		return candidate{}, err
	}
	return slices.MaxFunc(fit, better), nil
}

// fitting are the files of a project that fit the target: at least one, or the error says why not.
// With a pin they are of that version, and with one of its digests if it has any.
func fitting(files []index.File, r request) ([]candidate, error) {
	if r.pin != nil && len(r.pin.Spellings) == 0 && !r.sources {
		return nil, fmt.Errorf("the lock has only its source archive: %w", builder.ErrSource)
	}
	interpreter, err := pep440.Parse(r.python)
	if err != nil {
		return nil, fmt.Errorf("version %q of the interpreter: %w", r.python, err)
	}
	var fit []candidate
	var no reasons
	for _, f := range files {
		c, why := consider(f, r, interpreter)
		if why != "" {
			no.add(c.version, why)
			continue
		}
		fit = append(fit, c)
	}
	if len(fit) == 0 {
		return nil, no.err(r)
	}
	return fit, nil
}

// better orders candidates as pip prefers them.
func better(a, b candidate) int {
	return cmp.Or(
		a.version.Compare(b.version),
		cmp.Compare(b.rank, a.rank),
		pypi.CompareBuild(a.name.Build, b.name.Build),
		// Nothing is left to tell them apart: any order will do that is always the same.
		cmp.Compare(b.file.Filename, a.file.Filename),
	)
}

// consider says whether one file may be chosen, or why not.
func consider(f index.File, r request, python pep440.Version) (candidate, string) {
	c := candidate{file: f}
	var why string
	if strings.HasSuffix(f.Filename, ".whl") {
		why = c.wheel(r)
	} else {
		why = c.sdist(r)
	}
	switch {
	case why != "":
		return c, why
	case r.pin == nil && c.version.IsPrerelease():
		return c, "pre-release"
	case r.pin == nil && f.Yanked:
		return c, "yanked"
	case !allows(f.RequiresPython, python):
		return c, "python"
	case c.rank < 0:
		return c, "tag"
	}
	return c, ""
}

// wheel reads the file as a wheel. Its rank is -1 where the target does not accept it.
func (c *candidate) wheel(r request) (why string) {
	var err error
	if c.name, err = wheel.ParseName(c.file.Filename); err != nil || c.name.Project != r.project {
		return "named"
	}
	if c.version, err = pep440.Parse(c.name.Version); err != nil {
		return "named"
	}
	switch {
	case r.pin == nil:
	case len(r.pin.Spellings) == 0, !pinned(c.version, r.pin):
		return "other"
	case len(r.pin.Digests) > 0 && !slices.Contains(r.pin.Digests, c.file.SHA256):
		return "hash"
	}
	rank, ok := r.tag.Rank(c.name.Python, c.name.ABI, c.name.Platform)
	if c.rank = rank; !ok {
		c.rank = -1
	}
	return ""
}

// sdist reads the file as a source.
func (c *candidate) sdist(r request) (why string) {
	version, ok := sourceVersion(c.file.Filename, r.project)
	if !ok {
		return "named"
	}
	c.name, c.version, c.rank, c.source = wheel.Name{Project: r.project, Version: version.String()}, version, math.MaxInt, true
	switch {
	case r.pin != nil && !pinned(version, r.pin):
		return "other"
	case !r.sources:
		return "source"
	case r.pin != nil && len(r.pin.Sources)+len(r.pin.Digests) > 0 && !slices.Contains(r.pin.Sources, c.file.SHA256):
		return "hash"
	}
	return ""
}

// sourceEndings are those of the sources that are built.
var sourceEndings = []string{".tar.gz", ".tgz", ".tar.bz2", ".zip"}

// sourceVersion is the version of a project's source by its file name, project-version.tar.gz: the
// project may be spelled in any way, and may hold hyphens (as pip reads it: index/package_finder.py,
// _extract_version_from_fragment).
func sourceVersion(filename, project string) (pep440.Version, bool) {
	for _, ending := range sourceEndings {
		stem, ok := strings.CutSuffix(filename, ending)
		for i := range stem {
			if !ok || stem[i] != '-' || pep508.Normalize(stem[:i]) != project {
				continue
			}
			v, err := pep440.Parse(stem[i+1:])
			return v, err == nil
		}
	}
	return pep440.Version{}, false
}

// pinned says whether v is the version a pin asks for. A pin without a local part
// accepts every local build of its version, as "==" does.
func pinned(v pep440.Version, pin *snapshot.Pin) bool {
	spec, err := pep440.ParseSpecifiers("==" + pin.Version)
	return err == nil && spec.Contains(v, true)
}

// reasons collects why files did not fit, to name the one a person can act on.
type reasons struct {
	count  map[string]int
	newest pep440.Version
	why    string // of the newest release that was looked at
	any    bool
}

func (r *reasons) add(v pep440.Version, why string) {
	if r.count == nil {
		r.count = map[string]int{}
	}
	r.count[why]++
	if why == "source" || why == "named" || why == "other" {
		return
	}
	if !r.any || v.Compare(r.newest) > 0 {
		r.newest, r.why, r.any = v, why, true
	}
}

func (r *reasons) err(asked request) error {
	pin := asked.pin
	switch {
	case len(r.count) == 0:
		return fmt.Errorf("the index lists no files")
	case pin != nil && r.count["hash"] > 0:
		return fmt.Errorf("the index has version %s, but no wheel with a hash the lock names", pin.Version)
	case pin != nil && !r.any:
		if r.count["source"] > 0 {
			return fmt.Errorf("the index has no wheel of version %s: %w", pin.Version, builder.ErrSource)
		}
		return fmt.Errorf("the index has no version %s", pin.Version)
	case !r.any && r.count["source"] > 0:
		return fmt.Errorf("no release has a wheel: %w", builder.ErrSource)
	case !r.any:
		return fmt.Errorf("no release has a wheel")
	}
	v := r.newest.String()
	switch r.why {
	case "python":
		return fmt.Errorf("its wheels need another Python (newest looked at: %s)", v)
	case "tag":
		return fmt.Errorf("no wheel fits %s (newest looked at: %s)", asked.tag, v)
	case "yanked":
		return fmt.Errorf("every wheel that fits is yanked (newest: %s)", v)
	default:
		return fmt.Errorf("only pre-releases have a wheel (newest: %s)", v)
	}
}

// allows says whether a Requires-Python allows an interpreter. As for pip, one that
// cannot be read is no reason to refuse.
func allows(requires string, python pep440.Version) bool {
	spec, err := pep440.ParseSpecifiers(requires)
	return requires == "" || err != nil || spec.Contains(python, true)
}
