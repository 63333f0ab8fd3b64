package main

import (
	"fmt"
	"runtime/debug"

	"github.com/urfave/cli/v2"

	"larder/snapshot"
)

// version is the release; the Makefile sets it from git.
var version = "0.1.0-dev"

func versionCommand() *cli.Command {
	return &cli.Command{
		Name:   "version",
		Usage:  "print the program's version and the formats it knows",
		Action: printVersion,
	}
}

func printVersion(c *cli.Context) error {
	info := struct {
		Version     string `json:"version"`
		Go          string `json:"go"`
		StoreFormat int    `json:"store_format"`
	}{Version: version, StoreFormat: snapshot.Format}
	if b, ok := debug.ReadBuildInfo(); ok {
		info.Go = b.GoVersion
	}
	if jsonWanted(c) {
		return printJSON(c, info)
	}
	_, err := fmt.Fprintf(c.App.Writer, "larder %s (%s, store format %d)\n", info.Version, info.Go, info.StoreFormat)
	return err
}
