package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"larder/snapshot"
	"larder/snapshot/ecosystem"
)

// names are the views and clients that a file may name.
type names struct{ views, clients, ranked []string }

// knownNames are those of the ecosystems that the program has registered.
func knownNames() names {
	known := names{views: ecosystem.Views()}
	for _, e := range ecosystem.All() {
		if e.Names != nil {
			known.ranked = append(known.ranked, e.Name)
		}
	}
	for _, c := range ecosystem.Clients() {
		known.clients = append(known.clients, c.Name)
	}
	return known
}

// mistake is a value that cannot be used, and advice on one that can.
type mistake struct{ text, advice string }

func (m *mistake) Error() string { return m.text }
func (m *mistake) Hint() string  { return m.advice }

// Check refuses values that mean nothing, wherever they come from. name is what
// a message calls a key: the key itself in a file, a flag on a command line.
func (c Config) Check(name func(key string) string) error {
	for _, n := range []struct {
		key             string
		value, min, max int
		advice          string
	}{
		{"build.jobs", c.Build.Jobs, 1, 64, "leave it out for 16"},
		{"gc.keep", c.GC.Keep, 1, math.MaxInt, "keep at least 1 snapshot"},
	} {
		switch {
		case n.value >= n.min && n.value <= n.max:
		case n.max == math.MaxInt:
			return &mistake{fmt.Sprintf("%s %d is less than %d", name(n.key), n.value, n.min), n.advice}
		default:
			return &mistake{fmt.Sprintf("%s %d is not between %d and %d", name(n.key), n.value, n.min, n.max), n.advice}
		}
	}
	if err := c.Rank.checkWanted(name); err != nil {
		return err
	}
	if err := checkChoice(name("build.layers"), string(c.Build.Layers), "auto", "all", "none"); err != nil {
		return &mistake{err.Error(), "leave it out for auto; all unpacks whatever is stocked"}
	}
	if err := checkTrust(cmp.Or(name("run.views"), name("run.built")), c.Run.Views, c.Run.Built); err != nil {
		return err
	}
	return checkChoice(name("run.missing"), c.Run.Missing, "warn", "fail", "pip")
}

// checkTrust refuses a view, by name, of what is not trusted.
func checkTrust(name string, views []string, trust snapshot.Built) error {
	for _, v := range views {
		if needs := ecosystem.Needs(v); needs > trust {
			return &mistake{fmt.Sprintf("%s view %s has what was built from sources, and built is %s", name, v, trust),
				fmt.Sprintf("with built %s it is mounted, beside the client's other views; it need not be named", needs)}
		}
	}
	return nil
}

// inFile is what messages call a key of the file.
func inFile(key string) string { return key + ":" }

// checkFile refuses what a file in particular can have wrong: paths without a
// directory to be relative to, names that nothing has, and what has no flag.
func (c Config) checkFile(known names) error {
	if err := c.Check(inFile); err != nil {
		return err
	}
	if err := checkPath("store", c.Store); err != nil {
		return err
	}
	if c.Metrics != "" {
		if err := checkPath("metrics", c.Metrics); err != nil {
			return err
		}
	}
	if err := c.Rank.check(); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(c.Rank.Ecosystem)) {
		if len(known.ranked) > 0 && name == known.ranked[0] {
			return fmt.Errorf("rank.ecosystem.%s: what is wanted of %s stands in [rank] itself", name, name)
		}
		if err := checkNames("rank.ecosystem."+name, "ecosystem that is ranked is called", []string{name}, known.ranked); err != nil {
			return err
		}
	}
	if err := checkNames("build.views", "view", c.Build.Views, known.views); err != nil {
		return err
	}
	if c.Build.Sdists == snapshot.AllBuilt && len(c.Build.SdistsAllow) == 0 {
		return &mistake{"build.sdists: all builds no machine code, as sdists_allow names no project", "name the projects in sdists_allow, or write pure"}
	}
	if c.Build.SdistsRoot != "" {
		if err := checkPath("build.sdists_root", c.Build.SdistsRoot); err != nil {
			return err
		}
	}
	for _, name := range c.Build.SdistsLibraries {
		if !strings.Contains(name, ".so") || strings.ContainsAny(name, "/*? ") {
			return &mistake{fmt.Sprintf("build.sdists_libraries: %q is no name of a shared library", name), "write it as programs ask for it: libpq.so.5"}
		}
	}
	if err := checkNames("run.views", "view", c.Run.Views, known.views); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(c.Profile)) {
		if err := c.Profile[name].check(name, known); err != nil {
			return err
		}
	}
	return nil
}

// checkWanted refuses what nothing can be stocked by.
func (r Rank) checkWanted(name func(key string) string) error {
	for _, of := range r.Ranked() {
		w, table := r.Of(of), RankTable(of)
		if w.Top < 1 {
			return &mistake{fmt.Sprintf("%s %d is less than 1", name(table+".top"), w.Top), "name a number of projects from 1"}
		}
		if b := w.Budget; b != nil && *b < 1 {
			return &mistake{fmt.Sprintf("%s %v stocks nothing", name(table+".budget"), *b), "write it as 50GB; leave it out for no budget"}
		}
	}
	return nil
}

// check refuses weights that can mean nothing and sources that name none.
func (r Rank) check() error {
	weights := map[string]float64{"rank.weight.rankings": r.Weight.Rankings, "rank.weight.misses": r.Weight.Misses, "rank.weight.clickhouse": r.Weight.ClickHouse}
	for i, s := range r.Source {
		key := fmt.Sprintf("rank.source %d", i+1)
		if s.Name == "" || len(s.Ranking) == 0 {
			return fmt.Errorf("%s: it needs a name and a ranking", key)
		}
		weights[key+": weight"] = s.Weight
	}
	for _, key := range slices.Sorted(maps.Keys(weights)) {
		if w := weights[key]; !(w >= 0 && w <= 1e6) { // so that NaN is wrong, too
			return fmt.Errorf("%s: %v is not between 0 and 1000000", key, w)
		}
	}
	if r.Weight == (Weight{}) && !slices.ContainsFunc(r.Source, func(s Source) bool { return s.Weight > 0 }) {
		return errors.New("rank.weight: all weights are 0: give one source a weight of 1")
	}
	return nil
}

// check refuses what could only fail later, in front of a container.
func (p Profile) check(name string, known names) error {
	key := "profile." + name + "."
	if !ValidProfileName(name) {
		return fmt.Errorf("profile %q: a name is a-z, 0-9 and then also . _ -, at most 64 characters", name)
	}
	if err := checkNames(key+"views", "view", p.Views, known.views); err != nil {
		return err
	}
	if err := checkNames(key+"mount_points", "client", slices.Sorted(maps.Keys(p.MountPoints)), known.clients); err != nil {
		return err
	}
	if err := checkTrust(inFile(key+"views"), p.Views, *p.defaults().Built); err != nil {
		return err
	}
	if p.Missing != "" {
		if err := checkChoice(inFile(key+"missing"), p.Missing, "warn", "fail"); err != nil {
			return err
		}
	}
	for _, namespace := range p.Namespaces {
		if !validNamespace(namespace) {
			return fmt.Errorf("%snamespaces: %q is no namespace of Kubernetes: a-z, 0-9 and -, and a * at the end for any rest", key, namespace)
		}
	}
	if p.Restart != "" {
		if err := checkChoice(inFile(key+"restart"), p.Restart, RestartKeep, RestartReset); err != nil {
			return err
		}
	}
	for _, client := range slices.Sorted(maps.Keys(p.MountPoints)) {
		if err := checkPath(key+"mount_points."+client, p.MountPoints[client]); err != nil {
			return err
		}
	}
	for _, f := range []struct{ key, path string }{{"lock", p.Lock}, {"venv", p.Venv}, {"view", p.ReadOnlyView()}} {
		if f.path == "" {
			continue
		}
		if err := checkPath(key+f.key, f.path); err != nil {
			return err
		}
	}
	return nil
}

func checkPath(key, path string) error {
	switch {
	case !strings.HasPrefix(path, "/"):
		return fmt.Errorf("%s: %q is not an absolute path", key, path)
	case strings.ContainsRune(path, 0):
		return fmt.Errorf("%s: a path with a NUL", key)
	case slices.Contains(strings.Split(path, "/"), ".."):
		return fmt.Errorf("%s: %q has a .. in it", key, path)
	case strings.Trim(path, "/.") == "":
		return fmt.Errorf("%s: %q is the root", key, path)
	}
	return nil
}

// checkNames refuses a name that is not known: it would be passed over without a word.
func checkNames(key, what string, got, known []string) error {
	for _, name := range got {
		if !slices.Contains(known, name) {
			return fmt.Errorf("%s: no %s %q%s", key, what, name, nearest(name, known))
		}
	}
	return nil
}

func checkChoice(name, value string, choices ...string) error {
	if slices.Contains(choices, value) {
		return nil
	}
	return fmt.Errorf("%s %q is none of %s", name, value, strings.Join(choices, ", "))
}
