package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"
)

func catCommand() *cli.Command {
	return &cli.Command{
		Name:      "cat",
		Usage:     "print a file of a snapshot",
		ArgsUsage: "SNAPSHOT:PATH",
		Action:    runCat,
	}
}

func runCat(c *cli.Context) error {
	ref, name, ok := strings.Cut(c.Args().First(), ":")
	if !ok || name == "" {
		return usagef("cat needs SNAPSHOT:PATH").hint("for example: larder cat current:manifest.json")
	}
	if err := maxArgs(c, 1); err != nil {
		return err
	}
	img, _, err := openSnapshot(c, ref)
	if err != nil {
		return err
	}
	defer img.Close()
	name, err = imagePath(name)
	if err != nil {
		return err
	}
	info, err := img.Stat(name)
	if err != nil {
		return inSnapshot(name, err)
	}
	if info.IsDir() {
		return usagef("%q is a directory", name).hint("larder ls %s:%s lists it", ref, name)
	}
	f, err := img.Open(name)
	if err != nil {
		return inSnapshot(name, err)
	}
	defer f.Close()
	n, err := io.Copy(c.App.Writer, f)
	if err != nil {
		return inSnapshot(name, err)
	}
	if n != info.Size() {
		return inSnapshot(name, fmt.Errorf("%d bytes, want %d: %w", n, info.Size(), errShort))
	}
	return nil
}
