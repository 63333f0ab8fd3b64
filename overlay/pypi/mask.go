package pypi

import (
	"encoding/csv"
	"errors"
	"io"
	"path"
	"slices"
	"strings"

	"larder/snapshot/pypi/pep508"
)

// A lock mounted on an environment that holds another version of one of the
// lock's projects would show both: two dist-infos, and old modules between the
// new ones. A mask is a lower between the two that hides the environment's own
// files of those projects, as pip would have removed them.

// Whose files are read may be anybody; what is read of them in all is bounded by an
// [overlay.Budget]. A whole environment of 500 projects has 60,000 rows.
const (
	maxDistInfos = 200     // of the lock's projects
	maxRows      = 200_000 // of all records
	maxDirs      = 50_000  // that the rows name
	maxDepth     = 128     // of a row; no wheel with a deeper one gets a layer
)

// distInfo is a project that an environment's own directory has.
type distInfo struct {
	site string // "lib/python3.11/site-packages"
	name string // "setuptools-65.5.0.dist-info"
}

func (d distInfo) path() string { return d.site + "/" + d.name }

// openRecord hands the RECORD of a dist-info to read, if there is one.
type openRecord func(d distInfo, read func(io.Reader) error) error

// project is the normalised name of the project a directory of site-packages
// is the dist-info of, else "".
func project(dir string) string {
	name, ok := strings.CutSuffix(dir, ".dist-info")
	n := strings.LastIndexByte(name, '-')
	if !ok || n <= 0 {
		return ""
	}
	return pep508.Normalize(name[:n])
}

// maskPaths returns what belongs to the given projects (normalised names), as
// sorted paths below the environment's directory: each dist-info, and what its
// record lists. Rows that lead out of the directory, and names that cannot be,
// are left out.
func maskPaths(own []distInfo, projects []string, open openRecord) ([]string, error) {
	var all []string
	rows := 0
	for _, d := range own {
		if p := project(d.name); p == "" || !slices.Contains(projects, p) {
			continue
		}
		all = append(all, d.path())
		err := open(d, func(record io.Reader) error {
			r := csv.NewReader(record)
			r.FieldsPerRecord, r.LazyQuotes, r.ReuseRecord = -1, true, true
			for {
				row, err := r.Read()
				if err == io.EOF {
					return nil
				}
				if rows++; rows > maxRows {
					return errTooMuch
				}
				var malformed *csv.ParseError
				switch {
				case errors.As(err, &malformed), err == nil && len(row) == 0:
					continue
				case err != nil:
					return err
				}
				if p := recordPath(d.site, row[0]); p != "" && !strings.HasPrefix(p, d.path()+"/") {
					all = append(all, p)
				}
			}
		})
		if err != nil {
			return nil, err
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
	if p == "." || p == ".." || strings.HasPrefix(p, "../") || len(p) > 4000 || strings.Count(p, "/") >= maxDepth || p == "pyvenv.cfg" {
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
