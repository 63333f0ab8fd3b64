package main

import (
	"path/filepath"

	"github.com/pelletier/go-toml/v2"
	"github.com/urfave/cli/v2"
)

func configCommand() *cli.Command {
	return &cli.Command{
		Name:        "config",
		Usage:       "print the configuration in force, every key of it",
		Description: "What it prints is a configuration file: the flags and the environment, over the file, over\nthe defaults.",
		Action:      runConfig,
	}
}

func runConfig(c *cli.Context) error {
	if err := maxArgs(c, 0); err != nil {
		return err
	}
	cfg, err := loadConfig(c)
	if err != nil {
		return err
	}
	if cfg.Store, err = filepath.Abs(cfg.Store); err != nil {
		return err
	}
	text, err := cfg.TOML()
	if err != nil {
		return err
	}
	if jsonWanted(c) {
		var keys map[string]any // JSON has the file's names
		if err := toml.Unmarshal(text, &keys); err != nil {
			return err
		}
		return printJSON(c, keys)
	}
	_, err = c.App.Writer.Write(text)
	return err
}
