package pypi

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"larder/builder/pypi/index"
	"larder/builder/pypi/wheel"
	"larder/snapshot"
	"larder/snapshot/pypi"
	"larder/snapshot/pypi/pep440"
)

// candidate is one file of a project that a target accepts.
type candidate struct {
	file    index.File
	name    wheel.Name
	version pep440.Version
	rank    int // of its tags in pip's order for the target; lower is better
}

// choose returns the wheel pip would choose for the target among a project's
// files: the newest release, then the best tag, then the highest build number. When
// nothing fits, the error is the reason, in words for a person.
func choose(files []index.File, project string, t pypi.Tag, python string, pin *snapshot.Pin) (candidate, error) {
	fit, err := fitting(files, project, t, python, pin)
	if err != nil {
		return candidate{}, err
	}
	return slices.MaxFunc(fit, better), nil
}

// fitting are the wheels of a project that fit the target: at least one, or the error says why not.
// With a pin they are of that version, and with one of its digests if it has any.
func fitting(files []index.File, project string, t pypi.Tag, python string, pin *snapshot.Pin) ([]candidate, error) {
	if pin != nil && len(pin.Spellings) == 0 {
		return nil, fmt.Errorf("the lock has only its source archive")
	}
	interpreter, err := pep440.Parse(python)
	if err != nil {
		return nil, fmt.Errorf("version %q of the interpreter: %w", python, err)
	}
	var fit []candidate
	var no reasons
	for _, f := range files {
		c, why := consider(f, project, t, interpreter, pin)
		if why != "" {
			no.add(c.version, why)
			continue
		}
		fit = append(fit, c)
	}
	if len(fit) == 0 {
		return nil, no.err(t, pin)
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
func consider(f index.File, project string, t pypi.Tag, python pep440.Version, pin *snapshot.Pin) (candidate, string) {
	c := candidate{file: f}
	if !strings.HasSuffix(f.Filename, ".whl") {
		return c, "source"
	}
	var err error
	if c.name, err = wheel.ParseName(f.Filename); err != nil || c.name.Project != project {
		return c, "named"
	}
	if c.version, err = pep440.Parse(c.name.Version); err != nil {
		return c, "named"
	}
	if pin != nil {
		if !pinned(c.version, pin) {
			return c, "other"
		}
		if len(pin.Digests) > 0 && !slices.Contains(pin.Digests, f.SHA256) {
			return c, "hash"
		}
	} else {
		if c.version.IsPrerelease() {
			return c, "pre-release"
		}
		if f.Yanked {
			return c, "yanked"
		}
	}
	if !allows(f.RequiresPython, python) {
		return c, "python"
	}
	rank, ok := t.Rank(c.name.Python, c.name.ABI, c.name.Platform)
	if !ok {
		return c, "tag"
	}
	c.rank = rank
	return c, ""
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

func (r *reasons) err(t pypi.Tag, pin *snapshot.Pin) error {
	switch {
	case len(r.count) == 0:
		return fmt.Errorf("the index lists no files")
	case pin != nil && r.count["hash"] > 0:
		return fmt.Errorf("the index has version %s, but no wheel with a hash the lock names", pin.Version)
	case pin != nil && !r.any:
		if r.count["source"] > 0 {
			return fmt.Errorf("the index has no wheel of version %s", pin.Version)
		}
		return fmt.Errorf("the index has no version %s", pin.Version)
	case !r.any:
		return fmt.Errorf("no release has a wheel")
	}
	v := r.newest.String()
	switch r.why {
	case "python":
		return fmt.Errorf("its wheels need another Python (newest looked at: %s)", v)
	case "tag":
		return fmt.Errorf("no wheel fits %s (newest looked at: %s)", t, v)
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
