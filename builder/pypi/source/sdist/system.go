package sdist

import (
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"larder/snapshot/pypi/pep508"
)

// System is how a source wants to be built: [build-system] of its pyproject.toml (PEP 518, PEP 517).
type System struct {
	Requires    []string // requirements, without direct references
	BackEnd     string   // module, or module:object
	BackEndPath []string // directories of the source that the back end is imported from
}

// Legacy is the back end of a source that names none (PEP 517), and what it needs: the first setuptools
// that has it.
const (
	Legacy         = "setuptools.build_meta:__legacy__"
	legacyRequires = "setuptools>=40.8.0"
)

// maxRequires is far more than any source has.
const maxRequires = 200

// parseSystem reads pyproject.toml; nil is none.
func parseSystem(text []byte) (System, error) {
	var project struct {
		System *struct {
			Requires    []string `toml:"requires"`
			BackEnd     string   `toml:"build-backend"`
			BackEndPath []string `toml:"backend-path"`
		} `toml:"build-system"`
	}
	if err := toml.Unmarshal(text, &project); err != nil {
		return System{}, bad("has a pyproject.toml that cannot be read: %.200s", err.Error())
	}
	said := project.System
	if said == nil {
		return System{Requires: []string{legacyRequires}, BackEnd: Legacy}, nil
	}
	s := System{said.Requires, said.BackEnd, said.BackEndPath}
	if s.Requires == nil {
		return System{}, bad("has a [build-system] without requires")
	}
	if s.BackEnd == "" {
		s.BackEnd = Legacy
	}
	if err := CheckBackEnd(s); err != nil {
		return System{}, err
	}
	return s, CheckRequires(s.Requires)
}

const objectBytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:"

// CheckBackEnd says what is wrong with the names of the back end and of its directories, which must be
// the source's.
func CheckBackEnd(s System) error {
	if strings.Trim(s.BackEnd, objectBytes) != "" || strings.Count(s.BackEnd, ":") > 1 {
		return bad("has the build-backend %.100q", s.BackEnd)
	}
	for _, p := range s.BackEndPath {
		if outside(p) || p == "" || strings.Contains(p, "\x00") {
			return bad("has a backend-path outside of it: %.100q", p)
		}
	}
	return nil
}

// CheckRequires says what is wrong with requirements that a source or its back end names. They go to
// an installer: none may be an option, a path or an address, so that the index decides.
func CheckRequires(all []string) error {
	if len(all) > maxRequires {
		return bad("needs more than %d projects to be built", maxRequires)
	}
	for _, text := range all {
		r, err := pep508.ParseRequirement(text)
		switch {
		case err != nil:
			return bad("needs %.100q to be built: %w", text, err)
		case r.URL != "":
			return bad("needs %.100q to be built, which is not from the index", text)
		}
	}
	return nil
}

// Setuptools says whether setuptools is the back end, or below one that the source brings.
func (s System) Setuptools() bool {
	if strings.HasPrefix(s.BackEnd+".", "setuptools.") {
		return true
	}
	return len(s.BackEndPath) > 0 && slices.ContainsFunc(s.Requires, func(text string) bool {
		r, err := pep508.ParseRequirement(text)
		return err == nil && pep508.Normalize(r.Name) == "setuptools"
	})
}
