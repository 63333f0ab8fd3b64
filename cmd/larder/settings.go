package main

import (
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"larder/cmd/internal/config"
)

// setting is a key of the configuration that is the default of a flag.
type setting struct {
	key, flag string
	commands  string // that have the flag; "" for all
	value     any    // points to the key's value
}

// settings is the table of them, for one configuration. Which flags have no key, and which
// keys no flag, is in the test of it, with the reason of each.
func settings(c *config.Config) []setting {
	return []setting{
		{"store", "store", "", &c.Store},
		{"metrics", "metrics", "build gc", &c.Metrics},
		{"rank.ranking", "ranking", "rank build", &c.Rank.Ranking},
		{"rank.top", "top", "rank build", &c.Rank.Top},
		{"rank.budget", "budget", "rank build", &c.Rank.Budget},
		{"build.targets", "target", "rank build", &c.Build.Targets},
		{"build.views", "view", "build", &c.Build.Views},
		{"build.locks", "lock", "build", &c.Build.Locks},
		{"build.layers", "layers", "build", &c.Build.Layers},
		{"build.jobs", "jobs", "build", &c.Build.Jobs},
		{"run.snapshot", "snapshot", "run check", &c.Run.Snapshot},
		{"run.views", "view", "run", &c.Run.Views},
		{"run.missing", "missing", "run", &c.Run.Missing},
		{"run.target", "target", "run check", &c.Run.Target},
		{"run.required", "required", "run", &c.Run.Required},
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

// loadConfig returns what a command goes by: its flags, else the environment, else the
// operator's file (the one named by --config, else the default one if it is there).
func loadConfig(c *cli.Context) (config.Config, error) {
	cfg, err := config.Load(globalString(c, "config"))
	if err != nil {
		return cfg, err
	}
	if dir := os.Getenv("LARDER_STORE"); dir != "" {
		cfg.Store = dir
	}
	flags := map[string]string{} // by key
	for _, s := range settings(&cfg) {
		if from := given(c, s.flag); from != nil && s.of(c.Command.Name) {
			flags[s.key] = "--" + s.flag
			if err := s.take(from); err != nil {
				return cfg, err
			}
		}
	}
	// What the file says was checked when it was read, so a flag is to blame.
	if err := cfg.Check(func(key string) string { return flags[key] }); err != nil {
		return cfg, usagef("%v", err).hint("%s", hintOf(err))
	}
	return cfg, nil
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
