package main

import (
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"larder/snapshot"
	"larder/snapshot/image"
)

// errShort: an object that is not as long as the image says.
var errShort = fmt.Errorf("the object has another size: %w", snapshot.ErrDamaged)

func diffCommand() *cli.Command {
	return &cli.Command{
		Name:      "diff",
		Usage:     "compare two snapshots by wheel and by file",
		ArgsUsage: "SNAPSHOT SNAPSHOT",
		Flags:     []cli.Flag{&cli.BoolFlag{Name: "files", Usage: "list every file that differs, not only how many"}},
		Action:    runDiff,
	}
}

func runDiff(c *cli.Context) error {
	if c.NArg() != 2 {
		return usagef("diff needs two snapshots").hint("for example: larder diff previous current")
	}
	a, from, err := openSnapshot(c, c.Args().Get(0))
	if err != nil {
		return err
	}
	defer a.Close()
	b, to, err := openSnapshot(c, c.Args().Get(1))
	if err != nil {
		return err
	}
	defer b.Close()
	ma, err := a.Manifest()
	if err != nil {
		return err
	}
	mb, err := b.Manifest()
	if err != nil {
		return err
	}
	wheels := image.Artifacts(ma, mb)
	files, err := image.Files(a, b)
	if err != nil {
		return err
	}
	bytes, err := image.Exchanged(a, b)
	if err != nil {
		return err
	}
	if jsonWanted(c) {
		return printJSON(c, struct {
			From   snapshot.ID    `json:"from"`
			To     snapshot.ID    `json:"to"`
			Wheels []image.Change `json:"wheels"`
			Files  []image.Change `json:"files"`
			image.Exchange
		}{from, to, wheels, files, bytes})
	}
	for _, w := range wheels {
		printChange(c.App.Writer, w, true)
	}
	added, removed, changed := 0, 0, 0
	for _, f := range files {
		switch {
		case f.From == "":
			added++
		case f.To == "":
			removed++
		default:
			changed++
		}
		if c.Bool("files") {
			printChange(c.App.Writer, f, false)
		}
	}
	_, err = fmt.Fprintf(c.App.Writer, "%d projects differ; files: %d added, %d removed, %d changed\nbytes: %s added, %s removed, %s shared\n",
		len(wheels), added, removed, changed, sizeText(bytes.Added), sizeText(bytes.Gone), sizeText(bytes.Shared))
	return err
}

// printChange prints one difference; values say more of a project than of a file.
func printChange(w io.Writer, ch image.Change, values bool) {
	sign, value := "~", ch.From+" -> "+ch.To
	switch {
	case ch.From == "":
		sign, value = "+", ch.To
	case ch.To == "":
		sign, value = "-", ch.From
	}
	if !values {
		value = ""
	}
	fmt.Fprintln(w, printable(sign+" "+ch.Name+" "+value))
}
