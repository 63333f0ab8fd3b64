//go:build docs

package main

import (
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"larder/cmd/internal/config"
	"larder/cmd/larder/internal/help"
)

// With the tag docs the program has a command that writes its manual pages, completions and units,
// at the top of the sources: see make docs. A release has nothing of it.
func init() {
	builtWith = append(builtWith, func() *cli.Command {
		return &cli.Command{Name: "docs", Hidden: true, ArgsUsage: "DIR PREFIX",
			Action: func(c *cli.Context) error { return writeDocs(c.Args().Get(0), c.Args().Get(1)) }}
	})
}

// writeDocs writes into dir what a release has besides its programs, which are below prefix.
func writeDocs(dir, prefix string) error {
	hook, err := commentOf("cmd/larder-hook/doc.go")
	if err != nil {
		return err
	}
	nri, err := commentOf("cmd/larder-nri/doc.go")
	if err != nil {
		return err
	}
	keys, err := commentOf("cmd/internal/config/doc.go")
	if err != nil {
		return err
	}
	app := newApp()
	app.Description = "" // the exit codes, which have a section
	files := map[string]string{
		"man/man1/larder.1": help.Man(app, exitSection(), filesSection(), seeAlso("larder-hook(8)", "larder-nri(8)", "larder.toml(5)")),
		"man/man8/larder-hook.8": help.ManOfDoc("larder-hook", 8, version, "give a container its view of a snapshot, as an OCI hook",
			hook, seeAlso("larder(1)", "larder-nri(8)", "larder.toml(5)")),
		"man/man8/larder-nri.8": help.ManOfDoc("larder-nri", 8, version, "give the containers of pods their snapshot, as an NRI plugin",
			nri, seeAlso("larder(1)", "larder-hook(8)", "larder.toml(5)")),
		"man/man5/larder.toml.5": help.ManOfDoc("larder.toml", 5, version, "configuration of larder, larder-hook and larder-nri",
			keys, seeAlso("larder(1)", "larder-hook(8)", "larder-nri(8)")),
	}
	for _, s := range help.Shells {
		files[filepath.Join("completions", s.Name, s.File)] = s.Script
	}
	for _, u := range (command{global: []string{filepath.Join(prefix, "bin/larder")}, store: config.DefaultStore}).units() {
		files[filepath.Join("units", u.name)] = u.text
	}
	files[filepath.Join("units", nriServiceName)] = nriUnit([]string{filepath.Join(prefix, "libexec/larder/larder-nri")})
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// commentOf returns the package comment of a file of the sources.
func commentOf(path string) (string, error) {
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.PackageClauseOnly)
	if err != nil {
		return "", err
	}
	return f.Doc.Text(), nil
}

func seeAlso(names ...string) help.Section {
	return help.Section{Title: "See also", Text: strings.Join(names, ", ")}
}

func exitSection() help.Section {
	s := help.Section{Title: "Exit status"}
	for _, m := range exitMeanings {
		s.Rows = append(s.Rows, help.Row{Name: fmt.Sprint(m.code), Text: m.text})
	}
	return s
}

func filesSection() help.Section {
	return help.Section{Title: "Files", Rows: []help.Row{
		{Name: "/etc/larder/config.toml", Text: "the configuration, if no other is named"},
		{Name: "/var/lib/larder", Text: "the store, if no other is named"},
		{Name: "/run/larder", Text: "snapshots that are kept mounted"},
	}}
}
