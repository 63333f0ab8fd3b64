package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/urfave/cli/v2"

	"larder/cmd/internal/config"
)

func configCommand() *cli.Command {
	return &cli.Command{
		Name:  "config",
		Usage: "print the configuration in force, every key of it, and where each value comes from",
		Description: "What it prints is a configuration file: the flags and the environment, over the file, over\n" +
			"the defaults. Above each key is what it means, behind its value where that comes from.",
		Action: runConfig,
	}
}

// configKey is a key as config prints it.
type configKey struct {
	Value   any    `json:"value"`
	Source  string `json:"source"`         // flag, environment, file or default
	From    string `json:"from,omitempty"` // the flag, the variable, or FILE:LINE
	Meaning string `json:"meaning"`
}

func runConfig(c *cli.Context) error {
	if err := maxArgs(c, 0); err != nil {
		return err
	}
	e, err := loadEffective(c)
	if err != nil {
		return err
	}
	if e.Store, err = filepath.Abs(e.Store); err != nil {
		return err
	}
	text, err := e.TOML()
	if err != nil {
		return err
	}
	if jsonWanted(c) {
		keys, err := e.keys(text)
		if err != nil {
			return err
		}
		return printJSON(c, struct {
			File string               `json:"file"` // "" where there is none
			Keys map[string]configKey `json:"keys"` // by dotted key
		}{e.file.Path, keys})
	}
	_, err = fmt.Fprint(c.App.Writer, e.annotated(text))
	return err
}

// source is where a key's value comes from.
func (e effective) source(key string) (source, from string) {
	switch {
	case e.flags[key] != "":
		return "flag", e.flags[key]
	case e.environment[key] != "":
		return "environment", e.environment[key]
	case e.file.Where(key) != "":
		return "file", e.file.Where(key)
	}
	return "default", ""
}

// unset are the keys that no text has while they have no value.
func (e effective) unset() map[string]string {
	by := map[string]string{} // the key they stand behind
	for _, name := range e.Rank.Ranked() {
		if table := config.RankTable(name); e.Rank.Of(name).Budget == nil {
			by[table+".top"] = table + ".budget"
		}
	}
	return by
}

// annotated is a configuration's text with the meaning and the source of each key.
func (e effective) annotated(text []byte) string {
	keys := map[int]string{}
	for key, line := range config.Lines(text) {
		if config.Meaning(key) != "" && len(key) > len(keys[line]) {
			keys[line] = key
		}
	}
	unset := e.unset()
	var b strings.Builder
	for i, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		key := keys[i+1]
		if key == "" || strings.HasPrefix(line, "[") {
			fmt.Fprintln(&b, line)
			continue
		}
		source, from := e.source(key)
		if from == "" {
			from = source
		}
		fmt.Fprintf(&b, "# %s\n%s  # %s\n", config.Meaning(key), line, printable(from))
		if other := unset[key]; other != "" {
			fmt.Fprintf(&b, "# %s\n# %s =  # unset\n", config.Meaning(other), other[strings.LastIndexByte(other, '.')+1:])
		}
	}
	return b.String()
}

// keys are those of a configuration's text, dotted.
func (e effective) keys(text []byte) (map[string]configKey, error) {
	var tree map[string]any
	if err := toml.Unmarshal(text, &tree); err != nil {
		return nil, err
	}
	keys := map[string]configKey{}
	for _, key := range e.unset() {
		keys[key] = configKey{nil, "default", "", config.Meaning(key)}
	}
	var walk func(prefix string, m map[string]any)
	walk = func(prefix string, m map[string]any) {
		for k, v := range m {
			key := prefix + k
			sub, isTable := v.(map[string]any)
			if isTable && config.Meaning(key) == "" || isTable && strings.Count(key, ".") < 2 {
				walk(key+".", sub)
				continue
			}
			source, from := e.source(key)
			keys[key] = configKey{v, source, from, config.Meaning(key)}
		}
	}
	walk("", tree)
	return keys, nil
}
