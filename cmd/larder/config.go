package main

import (
	"github.com/urfave/cli/v2"

	"larder/cmd/internal/config"
)

// loadConfig reads the operator's file: the one named by --config, else the
// default one if it is there.
func loadConfig(c *cli.Context) (config.Config, error) {
	return config.Load(globalString(c, "config"))
}
