package venv

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"path"
	"slices"
	"strings"
)

// A lock mounted on an environment that holds another version of one of the
// lock's projects would show both: two dist-infos, and old modules between the
// new ones. A mask is a lower between the two that hides the environment's own
// files of those projects, as pip would have removed them.

// Whose files are read may be anybody; a whole environment of 500 projects has
// 60,000 rows in 8 MiB.
const (
	maxDistInfos = 200      // of the lock's projects
	maxRecord    = 16 << 20 // bytes
	maxRows      = 200_000  // of all records
	maxListed    = 400_000  // names in the directories that are looked into
)

// distInfo is a project that an environment's own directory has.
type distInfo struct {
	site   string // "lib/python3.11/site-packages"
	name   string // "setuptools-65.5.0.dist-info"
	record []byte // its RECORD; nil when it has none
}

// project is the normalised name of the project a directory of site-packages
// is the dist-info of, else "".
func project(dir string) string {
	name, ok := strings.CutSuffix(dir, ".dist-info")
	n := strings.LastIndexByte(name, '-')
	if !ok || n <= 0 {
		return ""
	}
	parts := strings.FieldsFunc(strings.ToLower(name[:n]), func(r rune) bool { return r == '-' || r == '_' || r == '.' })
	return strings.Join(parts, "-")
}

// maskPaths returns what belongs to the given projects (normalised names), as
// sorted paths below the environment's directory: each dist-info, and what its
// record lists. Rows that lead out of the directory, and names that cannot be,
// are left out.
func maskPaths(own []distInfo, projects []string) ([]string, error) {
	var all []string
	rows := 0
	for _, d := range own {
		if p := project(d.name); p == "" || !slices.Contains(projects, p) {
			continue
		}
		info := d.site + "/" + d.name
		all = append(all, info)
		r := csv.NewReader(bytes.NewReader(d.record))
		r.FieldsPerRecord, r.LazyQuotes, r.ReuseRecord = -1, true, true
		for {
			row, err := r.Read()
			if err == io.EOF {
				break
			}
			if rows++; rows > maxRows {
				return nil, errTooMuch
			}
			if err != nil || len(row) == 0 {
				continue
			}
			if p := recordPath(d.site, row[0]); p != "" && !strings.HasPrefix(p, info+"/") {
				all = append(all, p)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// recordPath is where a row of a record leads, or "" when that is not inside
// the environment or no path at all.
func recordPath(site, row string) string {
	if row == "" || path.IsAbs(row) || strings.ContainsRune(row, 0) {
		return ""
	}
	p := path.Join(site, row)
	if p == "." || p == ".." || strings.HasPrefix(p, "../") || len(p) > 4000 || p == "pyvenv.cfg" {
		return ""
	}
	for name := range strings.SplitSeq(p, "/") {
		if len(name) > 255 {
			return ""
		}
	}
	return p
}

// source is the module a file of __pycache__ is compiled from: "a.py" for
// "a.cpython-311.opt-1.pyc".
func source(pyc string) string {
	name, ok := strings.CutSuffix(pyc, ".pyc")
	stem, _, tagged := strings.Cut(name, ".")
	if !ok || !tagged {
		return ""
	}
	return stem + ".py"
}

var errTooMuch = errors.New("its records of installed packages are too large")
