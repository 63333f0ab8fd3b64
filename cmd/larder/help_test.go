package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/urfave/cli/v2"

	"larder/cmd/larder/internal/help"
)

// Every command's page fits, says what the command is for, and names its flags and subcommands.
func TestHelpPages(t *testing.T) {
	app := newApp()
	var walk func(cmd *cli.Command)
	walk = func(cmd *cli.Command) {
		path := strings.Fields(cmd.HelpName)
		out, err := larder(t, t.TempDir(), append(path[1:], "--help")...)
		if again, _ := larder(t, t.TempDir(), append([]string{"help"}, path[1:]...)...); err != nil || cmd.Name != "help" && !strings.HasPrefix(out, again) {
			t.Errorf("%s: %v: help says other than --help:\n%s%s", cmd.HelpName, err, again, out)
		}
		fits(t, cmd.HelpName, out)
		if cmd.Usage == "" && !cmd.Hidden || strings.HasSuffix(cmd.Usage, ".") {
			t.Errorf("%s: usage %q", cmd.HelpName, cmd.Usage)
		}
		for _, f := range cmd.Flags {
			if v, ok := f.(cli.VisibleFlag); ok && v.IsVisible() && !strings.Contains(out, "   --"+f.Names()[0]) {
				t.Errorf("%s: the page lacks --%s", cmd.HelpName, f.Names()[0])
			}
		}
		for _, sub := range cmd.Subcommands {
			if !strings.Contains(out, "\n   "+sub.Name+" ") {
				t.Errorf("%s: the page lacks %s", cmd.HelpName, sub.Name)
			}
			walk(sub)
		}
	}
	all, err := larder(t, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	fits(t, "larder", all)
	for _, flag := range []string{"--help", "-h", "help"} {
		if out, err := larder(t, t.TempDir(), flag); err != nil || out != all {
			t.Errorf("%s: %v\n%s", flag, err, out)
		}
	}
	for _, cmd := range app.Commands {
		if !strings.Contains(all, "\n   "+cmd.Name+" ") != cmd.Hidden {
			t.Errorf("the program's page and %s (hidden: %v)", cmd.Name, cmd.Hidden)
		}
		if cmd.Category == "" {
			t.Errorf("%s: in no group", cmd.Name)
		}
		walk(cmd)
	}
}

func fits(t *testing.T, name, page string) {
	t.Helper()
	for line := range strings.Lines(page) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > help.Width {
			t.Errorf("%s: %d columns: %s", name, n, line)
		}
	}
}

// What is mistyped is refused in one line, with what may be meant in the other.
func TestHelpSuggests(t *testing.T) {
	for _, tc := range []struct{ line, says, hint string }{
		{"biuld", `no command "biuld"`, "did you mean larder build?"},
		{"stauts", `no command "stauts"`, "did you mean larder stats?"},
		{"list", `no command "list"`, "did you mean larder ls?"},
		{"xyzzy", `no command "xyzzy"`, "larder --help lists the commands"},
		{"setup tmer", `no command "setup tmer"`, "did you mean larder setup timer?"},
		{"help biuld", `no command "biuld"`, "did you mean larder build?"},
		{"help setup tmer", `no command "setup tmer"`, "did you mean larder setup timer?"},
		{"help ls current", `no command "ls current"`, "larder ls --help"},
		{"verify --ful", `larder verify has no flag "--ful"`, "did you mean --full? larder verify --help lists what it takes"},
		{"setup timer --crno", `larder setup timer has no flag "--crno"`, "did you mean --cron?"},
		{"ls --wat", `larder ls has no flag "--wat"`, "larder ls --help lists what it takes"},
		{"--jsn ls", `larder has no flag "--jsn"`, "did you mean --json?"},
		{"show numpy --jsn", `larder show has no flag "--jsn"`, "did you mean --json?"},
		{"build --lock", "flag needs an argument: -lock", "larder build --help lists what it takes"},
		{"completion fis", `no command "completion fis"`, "did you mean larder completion fish?"},
	} {
		app := newApp()
		app.Writer = new(bytes.Buffer)
		err := app.RunContext(t.Context(), hoistFlags(app, append([]string{"larder"}, strings.Fields(tc.line)...)))
		if exitCode(err) != exitUsage || err.Error() != tc.says || !strings.HasPrefix(hintOf(err), tc.hint) {
			t.Errorf("%s: %v, hint %q", tc.line, err, hintOf(err))
		}
	}
}

// The exit codes of help and manual page are those that the table of errors can end with.
func TestExitMeanings(t *testing.T) {
	said := map[int]bool{exitOK: true, exitInternal: true, exitSkips: true}
	for _, row := range exitCodes {
		said[row.code] = true
	}
	for _, m := range exitMeanings {
		if !said[m.code] {
			t.Errorf("%d: nothing ends with it", m.code)
		}
		delete(said, m.code)
	}
	if len(said) > 0 {
		t.Errorf("without a meaning: %v", said)
	}
}

// A shell is told what the program accepts: nothing hidden, views and snapshots by name.
func TestHelpCompletes(t *testing.T) {
	s, old, current := stockedStore(t)
	for _, tc := range []struct {
		words string // "|" between them
		want  []string
	}{
		{"bui", []string{"build"}},
		{"__", nil},
		{"setup|", []string{"timer", "podman", "docker", "bundle", "nri", "list"}},
		{"--store|/x|veri", []string{"verify"}},
		{"build|--dry", []string{"--dry-run"}},
		{"build|--view|", []string{"wheels", "pip", "pip-old", "pip-built", "pip-built-native", "uv", "uv-built", "uv-built-native", "poetry", "simple", "npm", "npm-packuments", "maven"}},
		{"build|--view=pi", []string{"--view=pip", "--view=pip-old", "--view=pip-built", "--view=pip-built-native"}},
		{"run|--missing|", []string{"warn", "fail", "pip"}},
		{"run|--scripts|", []string{"none", "run"}},
		{"run|--built|", []string{"no", "pure", "all"}},
		{"run|--|pi", []string{help.AnyFile}},
		{"build|--lock|req", []string{help.AnyFile}},
		{"setup|timer|--dir|", []string{help.AnyDirectory}},
		{"use|", []string{"current", "previous", current.Short(), old.Short()}},
		{"use|" + old.Short()[:4], []string{old.Short()}},
		{"run|--snapshot|cur", []string{"current"}},
		{"help|du", []string{"du"}},
		{"nothing|", []string{help.AnyFile}},
		{"verify|--full|cur", []string{"current"}},
	} {
		out, err := larder(t, s.Dir(), append([]string{"__complete", "--"}, strings.Split(tc.words, "|")...)...)
		var got []string
		for line := range strings.Lines(out) {
			name, _, _ := strings.Cut(line, "\t")
			got = append(got, name)
		}
		if err != nil || !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q, %v, want %q", tc.words, got, err, tc.want)
		}
	}
	if out, err := larder(t, t.TempDir(), "__complete"); err != nil || !strings.HasPrefix(out, "rank\t") {
		t.Errorf("without a store: %v, %q", err, out)
	}
}
