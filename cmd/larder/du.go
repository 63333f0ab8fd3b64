package main

import (
	"cmp"
	"fmt"
	"text/tabwriter"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"larder/snapshot"
	"larder/snapshot/image"
)

func duCommand() *cli.Command {
	return &cli.Command{
		Name:      "du",
		Usage:     "say what views and layers of a snapshot cost",
		ArgsUsage: "[SNAPSHOT]",
		Description: "A file is stored once however many rows name it, so the rows add up to more than the total.\n" +
			"\"only\" is what would be saved without that row.",
		Action: runDu,
	}
}

func runDu(c *cli.Context) error {
	if err := maxArgs(c, 1); err != nil {
		return err
	}
	img, id, err := openSnapshot(c, cmp.Or(c.Args().First(), "current"))
	if err != nil {
		return err
	}
	defer img.Close()
	u, err := img.Usage()
	if err != nil {
		return err
	}
	if jsonWanted(c) {
		return printJSON(c, struct {
			Snapshot snapshot.ID `json:"snapshot"`
			*image.Usage
		}{id, u})
	}
	bytes := func(n int64) string { return humanize.Bytes(uint64(n)) }
	w := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "\tfiles\tobjects\tbytes\tonly\t\n")
	for _, r := range u.Rows {
		fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%s\t\n", printable(r.Name), r.Files, r.Objects, bytes(r.Bytes), bytes(r.Only))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.App.Writer, "snapshot %s: %d objects, %s, and an image of %s\nonly views need %s, only layers need %s, both need %s\n",
		id.Short(), u.Objects, bytes(u.Bytes), bytes(u.Image), bytes(u.OnlyViews), bytes(u.OnlyLayers), bytes(u.Shared))
	return err
}
