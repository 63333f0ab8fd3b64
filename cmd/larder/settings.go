package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"larder/cmd/internal/config"
	"larder/snapshot"
)

// setting is a key of the configuration that is the default of a flag.
type setting struct {
	key, flag string
	commands  string // that have the flag; "" for all
	value     any    // points to the key's value
}

// settings is the table of them, for one configuration. What flags say of a ranking is about an
// ecosystem; "" is the first. Which flags have no key, and which
// keys no flag, is in the test of it, with the reason of each.
func settings(c *config.Config, of string) []setting {
	wanted, table := c.Rank.Want(of), config.RankTable(of)
	return []setting{
		{"store", "store", "", &c.Store},
		{"metrics", "metrics", "build gc", &c.Metrics},
		{table + ".ranking", "ranking", "rank build", &wanted.Ranking},
		{table + ".top", "top", "rank build", &wanted.Top},
		{table + ".budget", "budget", "rank build", &wanted.Budget},
		{"build.targets", "target", "rank build", &c.Build.Targets},
		{"build.pythons", "python", "build", &c.Build.Pythons},
		{"build.views", "view", "build", &c.Build.Views},
		{"build.locks", "lock", "build", &c.Build.Locks},
		{"build.layers", "layers", "build", &c.Build.Layers},
		{"build.jobs", "jobs", "build", &c.Build.Jobs},
		{"build.uv", "with-uv", "build", &c.Build.UV},
		{"build.sdists", "sdists", "build", &c.Build.Sdists},
		{"run.snapshot", "snapshot", "run check", &c.Run.Snapshot},
		{"run.views", "view", "run", &c.Run.Views},
		{"run.missing", "missing", "run", &c.Run.Missing},
		{"run.built", "built", "run check", &c.Run.Built},
		{"run.target", "target", "run check", &c.Run.Target},
		{"run.required", "required", "run", &c.Run.Required},
		{"mount.users", "user", "mount", &c.Mount.Users},
		{"gc.keep", "keep", "gc", &c.GC.Keep},
		{"gc.older_than", "older-than", "gc", &c.GC.OlderThan},
	}
}

// of says whether a command has the setting's flag.
func (s setting) of(command string) bool {
	return s.commands == "" || slices.Contains(strings.Fields(s.commands), command)
}

// take sets the value to what the flag says.
func (s setting) take(c *cli.Context) (err error) {
	switch v := s.value.(type) {
	case *string:
		*v = c.String(s.flag)
	case *[]string:
		*v = c.StringSlice(s.flag)
	case *int:
		*v = c.Int(s.flag)
	case *bool:
		*v = c.Bool(s.flag)
	case *snapshot.Built:
		err = v.UnmarshalText([]byte(c.String(s.flag)))
	case *config.Layers:
		err = v.UnmarshalText([]byte(c.String(s.flag)))
	case *config.Age:
		*v, err = config.ParseAge(c.String(s.flag))
	case **config.Size:
		*v = new(config.Size)
		**v, err = config.ParseSize(c.String(s.flag))
	}
	if err != nil {
		return usagef("--%s: %v", s.flag, err).hint("larder %s --help lists what it takes", c.Command.Name)
	}
	return nil
}

// effective is what a command goes by, and where it comes from.
type effective struct {
	config.Config
	file               config.File
	flags, environment map[string]string // by key: what set it
}

// loadConfig returns what a command goes by: its flags, else the environment, else the
// operator's file (the one named by --config, else the default one if it is there).
func loadConfig(c *cli.Context) (config.Config, error) {
	e, err := loadEffective(c)
	return e.Config, err
}

func loadEffective(c *cli.Context) (e effective, err error) {
	if e.file, err = config.Open(globalString(c, "config")); err != nil {
		return e, err
	}
	e.Config, e.flags, e.environment = e.file.Config, map[string]string{}, map[string]string{}
	if err := e.checkRules(); err != nil {
		return e, err
	}
	if err := e.checkSdists(); err != nil {
		return e, err
	}
	if dir := os.Getenv("LARDER_STORE"); dir != "" {
		e.Store, e.environment["store"] = dir, "LARDER_STORE"
	}
	of, err := flaggedEcosystem(c)
	if err != nil {
		return e, err
	}
	for _, s := range settings(&e.Config, of) {
		if from := given(c, s.flag); from != nil && s.of(c.Command.Name) {
			e.flags[s.key] = "--" + s.flag
			if err := s.take(from); err != nil {
				return e, err
			}
		}
	}
	// What the file says was checked when it was read, so a flag is to blame.
	if err := e.Check(func(key string) string { return e.flags[key] }); err != nil {
		return e, usagef("%v", err).hint("%s", hintOf(err))
	}
	for _, name := range e.Rank.Ranked() {
		w := e.Rank.Want(name)
		if by, _ := e.source(config.RankTable(name) + ".top"); by == "default" && w.Budget != nil {
			w.Top = topOf(w.Budget.Bytes())
		}
	}
	return e, nil
}

// projectBytes is what one more project has to have of a budget to be looked at. Half of the wheels
// that real projects install are smaller than a tenth of it; but the index is asked about each
// project, and of what is so far down a ranking that there is less for each, a budget takes next to nothing.
const projectBytes = 1_000_000

// topOf is how far a budget reads a ranking, where nobody says.
func topOf(budget int64) int { return int(max(budget/projectBytes, int64(config.Default().Rank.Top))) }

// checkRules refuses what the file includes, excludes or pins by names that are none. The hook goes
// by no rules, so it does not look.
func (e effective) checkRules() error {
	for _, name := range e.Rank.Ranked() {
		if list, at, err := rulesOf(e.Config, ecosystemOf(name)).Check(); err != nil {
			where := e.file.Where(fmt.Sprintf("%s.%s.%d", config.RankTable(name), list, at))
			return usagef("%s: %v", where, err).hint("larder config prints what the lists mean; larder rank --explain PROJECT says what they make of one")
		}
	}
	return nil
}

// given returns the part of the command line on which a flag was given: before the
// command's name, or after it. It is nil when it was not.
func given(c *cli.Context, flag string) *cli.Context {
	for _, l := range c.Lineage() {
		if l != nil && l.Command != nil && l.IsSet(flag) {
			return l
		}
	}
	return nil
}

// globalString returns a global flag's value wherever on the line it was given.
func globalString(c *cli.Context, name string) string {
	if from := given(c, name); from != nil {
		return from.String(name)
	}
	return ""
}

// storeDir returns the store the command works on. Where a flag or the environment names it,
// the default file is not read: a mistake there is no reason not to look at a store.
func storeDir(c *cli.Context) (string, error) {
	if globalString(c, "config") == "" {
		if dir := globalString(c, "store"); dir != "" {
			return dir, nil
		}
		if dir := os.Getenv("LARDER_STORE"); dir != "" {
			return dir, nil
		}
	}
	cfg, err := loadConfig(c)
	return cfg.Store, err
}
