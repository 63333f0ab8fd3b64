package simulate

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"larder/popularity"
)

// Set is what one project asks for.
type Set struct {
	ID           string   `json:"id"`
	Category     string   `json:"category"`
	Requirements []string `json:"requirements"`
}

const (
	maxFile         = 16 << 20
	maxSets         = 10_000
	maxRequirements = 2_000
	maxRequirement  = 1_000
)

const setsHint = "a file is a JSON list of objects with id, category and requirements; a directory holds such files, named *.json"

// ReadSets reads a file of sets, or all *.json files of a directory, sorted by id.
func ReadSets(path string) ([]Set, error) {
	refuse := func(format string, args ...any) error {
		return popularity.Refuse(path, fmt.Sprintf(format, args...), setsHint)
	}
	st, err := os.Stat(path)
	if err != nil {
		return nil, refuse("%v", errors.Unwrap(err))
	}
	files := []string{path}
	if st.IsDir() {
		if files, err = filepath.Glob(filepath.Join(path, "*.json")); err != nil || len(files) == 0 {
			return nil, refuse("no *.json file in it")
		}
	}
	var all []Set
	for _, file := range files {
		sets, err := readFile(file)
		if err != nil {
			return nil, popularity.Refuse(file, err.Error(), setsHint)
		}
		all = append(all, sets...)
	}
	slices.SortStableFunc(all, func(a, b Set) int { return strings.Compare(a.ID, b.ID) })
	for i := 1; i < len(all); i++ {
		if all[i].ID == all[i-1].ID {
			return nil, refuse("two sets are called %q", all[i].ID)
		}
	}
	if len(all) == 0 {
		return nil, refuse("no sets in it")
	}
	return all, nil
}

func readFile(path string) ([]Set, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	if len(b) > maxFile {
		return nil, fmt.Errorf("larger than %d bytes", maxFile)
	}
	var sets []Set
	if err := json.Unmarshal(b, &sets); err != nil {
		return nil, fmt.Errorf("not a list of requirement sets: %v", err)
	}
	if len(sets) > maxSets {
		return nil, fmt.Errorf("more than %d sets", maxSets)
	}
	for i, s := range sets {
		if err := s.check(); err != nil {
			return nil, fmt.Errorf("set %d: %w", i+1, err)
		}
	}
	return sets, nil
}

// check refuses what uv would read as something else than a requirement: lines of
// its input can be options and paths, too.
func (s Set) check() error {
	if s.ID == "" || len(s.ID) > 200 || strings.ContainsFunc(s.ID, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
		return errors.New("it needs an id of at most 200 characters")
	}
	if len(s.Requirements) == 0 || len(s.Requirements) > maxRequirements {
		return fmt.Errorf("%s: not between 1 and %d requirements", s.ID, maxRequirements)
	}
	for _, r := range s.Requirements {
		name, _, _ := strings.Cut(strings.TrimLeft(r, " "), " ")
		first := strings.TrimLeft(r, " ")
		switch {
		case name == "" || len(r) > maxRequirement || strings.ContainsAny(r, "\r\n\x00\\#"):
			return fmt.Errorf("%s: %.60q is not a requirement", s.ID, r)
		case !isLetterOrDigit(first[0]) || strings.Contains(r, "@") || strings.Contains(r, "/") || strings.Contains(r, "${"):
			return fmt.Errorf("%s: %.60q is not the name of a project, with versions", s.ID, r)
		}
	}
	return nil
}

func isLetterOrDigit(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
