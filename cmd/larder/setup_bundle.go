package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"larder/cmd/internal/definition"
)

func setupBundleCommand() *cli.Command {
	return &cli.Command{
		Name:      "bundle",
		Usage:     "put the hook into a bundle's config.json, for runc and crun",
		ArgsUsage: "DIR",
		Description: "Twice is as once. Other hooks stay; the file's owner and mode do, too. The container gets\n" +
			"its cache when the runtime creates it the next time.",
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "profile", Usage: "the container gets what profile `NAME` says"},
		}, hookFlags()...),
		Action: runSetupBundle,
	}
}

func runSetupBundle(c *cli.Context) error {
	if c.NArg() != 1 {
		return usagef("setup bundle takes the directory of one bundle").hint("larder setup bundle DIR; DIR/config.json is the container's, as runc spec writes it")
	}
	path := filepath.Join(c.Args().First(), "config.json")
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
		return usagef("no bundle at %s: it has no config.json", c.Args().First()).hint("runc spec writes one")
	}
	var had []byte
	if err == nil {
		had, err = os.ReadFile(path)
	}
	if err != nil {
		return setupError(path, err)
	}
	text, err := bundleText(c, had)
	if err != nil {
		return err
	}
	r := definitionsReport{}
	if err := r.write(c, setupFile{path, text}, false); err != nil {
		return err
	}
	return r.print(c)
}

// bundleText is what is to be in a config.json.
func bundleText(c *cli.Context, had []byte) (text []byte, err error) {
	if c.Bool("remove") {
		text, err = definition.WithoutHook(had)
	} else {
		var h definition.Hook
		if h, err = setupHook(c); err != nil {
			return nil, err
		}
		text, err = definition.InBundle(had, h)
	}
	if err != nil {
		return nil, usagef("%s/config.json: %v", c.Args().First(), err).hint("runc spec writes one")
	}
	return text, nil
}
