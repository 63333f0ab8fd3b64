package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// Every command line of the operating page is one that the program takes: its command, its
// subcommand and its flags are there.
func TestOperatingCommands(t *testing.T) {
	text, err := os.ReadFile("OPERATING.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile("(?m)^    (larder .*?)(?: +#.*)?$|`(larder .*?)`").FindAllSubmatch(text, -1)
	if len(lines) < 25 {
		t.Fatalf("only %d commands", len(lines))
	}
	for _, m := range lines {
		line := string(m[1]) + string(m[2])
		words := strings.Fields(line)[1:]
		if words[0] == "COMMAND" {
			continue
		}
		names := words[:1]
		if words[0] == "setup" {
			names = words[:2]
		}
		cmd, err := commandAt(newApp(), names)
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		for _, w := range words {
			if flag := strings.TrimLeft(w, "-"); strings.HasPrefix(w, "-") && !slices.ContainsFunc(cmd.Flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), flag) }) {
				t.Errorf("%s: no flag %s", line, w)
			}
		}
	}
}
