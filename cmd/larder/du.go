package main

import (
	"cmp"
	"fmt"
	"slices"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"larder/snapshot"
	"larder/snapshot/image"
)

func duCommand() *cli.Command {
	return &cli.Command{
		Name:      "du",
		Usage:     "say what views and layers of a snapshot cost, and the whole store",
		ArgsUsage: "[SNAPSHOT]",
		Description: "A file is stored once however many rows name it, so the rows add up to more than the total.\n" +
			"\"only\" is what would be saved without that row. What is the snapshot's own goes with it;\n" +
			"what gc would free is by [gc] of the configuration. The store is counted as the disk does, in blocks.",
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
	print, err := footprintOf(c, id)
	if err != nil {
		return err
	}
	store, err := storeUsageOf(c)
	if err != nil {
		return err
	}
	if jsonWanted(c) {
		return printJSON(c, struct {
			Snapshot snapshot.ID `json:"snapshot"`
			*image.Usage
			Own    int64       `json:"own_bytes"` // with the image
			Others int64       `json:"shared_bytes"`
			Store  *storeUsage `json:"store"`
		}{id, u, print.Own + print.Image, print.Shared(), store})
	}
	w := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "\tfiles\tobjects\tbytes\tonly\t\n")
	for _, r := range u.Rows {
		fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%s\t\n", printable(r.Name), r.Files, r.Objects, sizeText(r.Bytes), sizeText(r.Only))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.App.Writer, "snapshot %s: %d objects, %s, and an image of %s\nonly views need %s, only layers need %s, both need %s\n"+
		"%s its own, which gc frees with it; %s shared with other snapshots\n",
		id.Short(), u.Objects, sizeText(u.Bytes), sizeText(u.Image), sizeText(u.OnlyViews), sizeText(u.OnlyLayers), sizeText(u.Shared),
		sizeText(print.Own+print.Image), sizeText(print.Shared()))
	if err != nil {
		return err
	}
	return store.print(c.App.Writer)
}

// footprintOf is what a snapshot needs beside the others of the store.
func footprintOf(c *cli.Context, id snapshot.ID) (*image.Footprint, error) {
	s, err := openStore(c)
	if err != nil {
		return nil, err
	}
	all, err := s.List()
	if err != nil {
		return nil, err
	}
	prints := compareSnapshots(s, idsOf(all), warnUnreadable)
	at := slices.IndexFunc(all, func(p snapshot.Published) bool { return p.ID == id })
	if at < 0 || prints.Each[at] == nil {
		return nil, fmt.Errorf("snapshot %s went while it was read: %w", id.Short(), snapshot.ErrNoSnapshot)
	}
	return prints.Each[at], nil
}
