package misses

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"larder/popularity"
)

const (
	// window is how many days of misses count: as many as the public rankings,
	// which are monthly.
	window = 28
	// perDay is the most tenants one day may count for one project or version.
	perDay = 10
)

// Load reads the days of dir that count at now into a ranking of one ecosystem: a project's
// count is how many tenants missed it, each on the first day that it did, at most ten a
// day; versions are counted likewise. No misses, or no dir, is an empty ranking
// without an origin.
func Load(dir, ecosystem string, now time.Time) (popularity.Ranking, []popularity.Warning, error) {
	days, err := daysOf(dir, now)
	if err != nil {
		return popularity.Ranking{}, nil, fmt.Errorf("read misses: %w", err)
	}
	t := tally{ecosystem: ecosystem, projects: map[string]int64{}, versions: map[version]int64{}, seen: map[missed]bool{}}
	var warnings []popularity.Warning
	for _, day := range days {
		data, err := readDay(filepath.Join(dir, day))
		if err != nil {
			warnings = append(warnings, popularity.Warning{Source: "misses/" + day, Text: "left out: " + err.Error()})
			continue
		}
		if bad := t.day(data); bad > 0 {
			warnings = append(warnings, popularity.Warning{Source: "misses/" + day, Text: fmt.Sprintf("left out %d lines that are not misses", bad)})
		}
	}
	r := popularity.Ranking{Entries: t.entries()}
	if len(r.Entries) == 0 {
		return r, warnings, nil // nothing comes from here
	}
	r.Origins = []popularity.Origin{{Source: "misses", Projects: len(r.Entries)}}
	r.Origins[0].Updated, _ = time.Parse(time.DateOnly, strings.TrimSuffix(days[len(days)-1], ".jsonl"))
	return r, warnings, nil
}

// daysOf lists the files in dir that are days of the window. A file of
// tomorrow is there when a clock was wrong: it does not count until its day.
func daysOf(dir string, now time.Time) ([]string, error) {
	entries, err := os.ReadDir(dir) // sorted
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var days []string
	for _, e := range entries {
		date, ok := strings.CutSuffix(e.Name(), ".jsonl")
		day, parseErr := time.Parse(time.DateOnly, date)
		if ok && parseErr == nil && !day.After(now) && day.After(now.AddDate(0, 0, -window)) {
			days = append(days, e.Name())
		}
	}
	return days, err
}

// Prune removes the days that stopped counting a window ago. Younger ones stay for
// people to look at, and so does whatever is not a day.
func Prune(dir string, now time.Time) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		date, ok := strings.CutSuffix(e.Name(), ".jsonl")
		day, parseErr := time.Parse(time.DateOnly, date)
		if ok && parseErr == nil && day.Before(now.AddDate(0, 0, -2*window)) {
			err = errors.Join(err, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	if err != nil {
		return fmt.Errorf("prune misses: %w", err)
	}
	return nil
}

func readDay(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return nil, errors.Join(err, errors.New("not a file"))
	}
	return io.ReadAll(io.LimitReader(f, maxDayBytes))
}

type version struct{ project, version, target, file string }

// tally adds up days.
type tally struct {
	ecosystem string
	projects  map[string]int64
	versions  map[version]int64
	seen      map[missed]bool // on this day or an earlier one
}

// missed is what somebody missed; without a version, the project.
type missed struct {
	version
	who string
}

// first says whether somebody says something for the first time in the window. A need that is met is
// not told again: to count what is told every week would have what no budget can hold push out, week by
// week, what was stocked for others.
func (t tally) first(what missed) bool {
	had := t.seen[what]
	t.seen[what] = true
	return !had
}

func (t tally) day(data []byte) (bad int) {
	projects, versions := map[string]int64{}, map[version]int64{}
	bad = eachLine(data, func(l line) {
		if l.Ecosystem != t.ecosystem {
			return
		}
		v, p := version{l.Project, l.Version, l.Target, l.File}, version{project: l.Project}
		if t.first(missed{p, l.who()}) {
			projects[l.Project]++
		}
		if t.first(missed{v, l.who()}) {
			versions[v]++
		}
	})
	for p, n := range projects {
		t.projects[p] += min(n, perDay)
	}
	for v, n := range versions {
		t.versions[v] += min(n, perDay)
	}
	return bad
}

func (t tally) entries() []popularity.Entry {
	byProject := map[string][]popularity.Version{}
	for v, n := range t.versions {
		byProject[v.project] = append(byProject[v.project], popularity.Version{Version: v.version, Python: v.target, File: v.file, Count: n})
	}
	entries := make([]popularity.Entry, 0, len(t.projects))
	for p, n := range t.projects {
		vs := byProject[p]
		slices.SortFunc(vs, func(a, b popularity.Version) int {
			return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Version, b.Version), strings.Compare(a.Python, b.Python), strings.Compare(a.File, b.File))
		})
		entries = append(entries, popularity.Entry{Project: p, Count: n, Versions: vs})
	}
	slices.SortFunc(entries, func(a, b popularity.Entry) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Project, b.Project))
	})
	for i := range entries {
		entries[i].Rank = i + 1
	}
	return entries
}
