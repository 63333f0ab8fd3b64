package main

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"larder/cmd/internal/config"
	"larder/popularity"
	"larder/snapshot"
	"larder/snapshot/ecosystem"
)

// rankable are the ecosystems whose projects can be ranked.
func rankable() []ecosystem.Ecosystem {
	return slices.DeleteFunc(ecosystem.All(), func(e ecosystem.Ecosystem) bool { return e.Names == nil })
}

func rankableNames() (names []string) {
	for _, e := range rankable() {
		names = append(names, e.Name)
	}
	return names
}

// ecosystemOf is that of a name; the first of "".
func ecosystemOf(name string) ecosystem.Ecosystem {
	for _, e := range rankable() {
		if name == "" || e.Name == name {
			return e
		}
	}
	return ecosystem.Ecosystem{}
}

// keyOf is how the configuration calls an ecosystem: "" is the first.
func keyOf(e ecosystem.Ecosystem) string {
	if e.Name == ecosystemOf("").Name {
		return ""
	}
	return e.Name
}

// wantedOf is what the configuration wants of an ecosystem.
func wantedOf(cfg config.Config, e ecosystem.Ecosystem) config.Wanted { return cfg.Rank.Of(keyOf(e)) }

// rulesOf are the operator's own words about projects of an ecosystem.
func rulesOf(cfg config.Config, e ecosystem.Ecosystem) popularity.Rules {
	w := wantedOf(cfg, e)
	return popularity.Rules{Of: e, Include: w.Include, Exclude: w.Exclude, Pin: w.Pin}
}

// ecosystemFlag says which ecosystems a command is about, by name.
func ecosystemFlag(usage string) cli.Flag {
	return &cli.StringSliceFlag{Name: "ecosystem", Usage: usage}
}

// namedEcosystems are those that the command line names, each once.
func namedEcosystems(c *cli.Context) (names []string, err error) {
	from := given(c, "ecosystem")
	if from == nil {
		return nil, nil
	}
	for _, name := range from.StringSlice("ecosystem") {
		if ecosystemOf(name).Name != name {
			return nil, usagef("no ecosystem %q", name).hint("those that are ranked are %s", strings.Join(rankableNames(), ", "))
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, nil
}

// flaggedEcosystem is the one that flags of a ranking are about, as the configuration calls it.
func flaggedEcosystem(c *cli.Context) (string, error) {
	names, err := namedEcosystems(c)
	if err != nil || len(names) == 0 {
		return "", err
	}
	for _, flag := range []string{"ranking", "top", "budget"} {
		if len(names) > 1 && given(c, flag) != nil {
			return "", usagef("--%s is about one ecosystem, and %d are named", flag, len(names)).
				hint("name one, or write each ranking into the configuration: larder config prints the keys")
		}
	}
	return keyOf(ecosystemOf(names[0])), nil
}

// flaggedFor says whether the flags of a ranking are about an ecosystem.
func flaggedFor(c *cli.Context, e ecosystem.Ecosystem) bool {
	of, err := flaggedEcosystem(c)
	return err == nil && of == keyOf(e)
}

// rankedBy are the ecosystems that a build ranks: those that are named, else the first and what else the
// configuration has a ranking of. None where it is about locks.
func rankedBy(c *cli.Context, cfg config.Config) ([]ecosystem.Ecosystem, error) {
	names, err := namedEcosystems(c)
	if err != nil || !ranks(c) {
		return nil, err
	}
	return slices.DeleteFunc(rankable(), func(e ecosystem.Ecosystem) bool {
		_, configured := cfg.Rank.Ecosystem[e.Name]
		return len(names) > 0 && !slices.Contains(names, e.Name) || len(names) == 0 && keyOf(e) != "" && !configured
	}), nil
}

// aboutOne is the ecosystem that rank is about: the one that is named, that of a package url, or the first.
func aboutOne(c *cli.Context) (ecosystem.Ecosystem, error) {
	names, err := namedEcosystems(c)
	switch {
	case err != nil:
		return ecosystem.Ecosystem{}, err
	case len(names) > 1:
		return ecosystem.Ecosystem{}, usagef("rank is about one ecosystem, and %d are named", len(names)).hint("ask one at a time")
	case len(names) == 1:
		return ecosystemOf(names[0]), nil
	}
	if of, _, _, err := snapshot.ParsePackageURL(c.String("explain")); err == nil && ecosystemOf(of).Name == of {
		return ecosystemOf(of), nil
	}
	return ecosystemOf(""), nil
}
