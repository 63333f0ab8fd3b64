package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"larder/snapshot"
	"larder/snapshot/image"
)

func lsCommand() *cli.Command {
	return &cli.Command{
		Name:      "ls",
		Usage:     "list snapshots, or what is in one",
		ArgsUsage: "[SNAPSHOT[:PATH]]",
		Description: "SNAPSHOT is an id, 8 or more of its first digits, current or previous.\n" +
			"larder ls current:views/simple lists that directory.\n" +
			"OWN is what no other snapshot needs, USERS are the containers and runs that hold it.",
		Flags:  []cli.Flag{runDirFlag()},
		Action: runLs,
	}
}

func runLs(c *cli.Context) error {
	if err := maxArgs(c, 1); err != nil {
		return err
	}
	s, err := openStore(c)
	if err != nil {
		return err
	}
	if !c.Args().Present() {
		return listSnapshots(c, s)
	}
	ref, name, _ := strings.Cut(c.Args().First(), ":")
	img, _, err := openImage(s, ref)
	if err != nil {
		return err
	}
	defer img.Close()
	return listPath(c, img, name)
}

func listSnapshots(c *cli.Context, s *snapshot.Store) error {
	rows, err := allStocked(c, s)
	if err != nil {
		return err
	}
	if jsonWanted(c) {
		return printJSON(c, struct {
			Snapshots []stocked `json:"snapshots"`
		}{rows})
	}
	if len(rows) == 0 {
		warnf("store %q has no snapshot yet", s.Dir())
		return nil
	}
	w := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SNAPSHOT\tNUMBER\tPUBLISHED\tARTIFACTS\tSIZE\tOWN\tUSERS\tMARKS")
	for _, r := range rows {
		number, published := strconv.FormatInt(r.Sequence, 10), r.Time.Local().Format(time.DateTime)
		if r.Unreadable != nil {
			number, published = "?", "?"
		}
		artifacts, size, own := "?", "?", "?"
		if r.Artifacts != nil {
			artifacts = strconv.Itoa(*r.Artifacts)
		}
		if f := r.Footprint; f != nil {
			size, own = sizeText(f.Bytes+f.Image), sizeText(f.Own+f.Image)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\n", r.ID.Short(), number, published, artifacts, size, own, r.Users, r.marks())
	}
	return w.Flush()
}

// listed is one line of a directory.
type listed struct {
	Name   string `json:"name"`
	Type   string `json:"type"` // file, directory or link
	Mode   string `json:"mode"`
	Size   int64  `json:"size"`
	Target string `json:"target,omitempty"`
	Object string `json:"object,omitempty"`
}

func listPath(c *cli.Context, img *image.Image, name string) error {
	name, err := imagePath(name)
	if err != nil {
		return err
	}
	info, err := img.Stat(name)
	if err != nil {
		return inSnapshot(name, err)
	}
	rows := []listed{}
	if !info.IsDir() {
		rows = append(rows, describe(img, name, info))
	} else {
		entries, err := img.ReadDir(name)
		if err != nil {
			return inSnapshot(name, err)
		}
		for _, e := range entries {
			info, err := e.Info()
			if err != nil {
				return inSnapshot(name, err)
			}
			rows = append(rows, describe(img, path.Join(name, e.Name()), info))
		}
	}
	if jsonWanted(c) {
		return printJSON(c, struct {
			Entries []listed `json:"entries"`
		}{rows})
	}
	w := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		line, size := r.Name, ""
		switch r.Type {
		case "directory":
			line += "/"
		case "link":
			line += " -> " + r.Target
		default:
			size = sizeText(r.Size)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", r.Mode, size, printable(line))
	}
	return w.Flush()
}

func describe(img *image.Image, name string, info fs.FileInfo) listed {
	l := listed{Name: path.Base(name), Type: "file", Mode: info.Mode().String(), Size: info.Size()}
	switch {
	case info.IsDir():
		l.Type, l.Size = "directory", 0
	case info.Mode()&fs.ModeSymlink != 0:
		l.Type = "link"
		l.Target, _ = img.ReadLink(name) // "" shows that it could not be read
	default:
		if o, _, ok := img.Object(name); ok {
			l.Object = o.Path()
		}
	}
	return l
}

// imagePath turns what a person writes ("", "/views/", "views") into a path of an image.
func imagePath(name string) (string, error) {
	clean := strings.TrimPrefix(path.Clean("/"+name), "/")
	if clean == "" {
		clean = "."
	}
	if !fs.ValidPath(clean) || strings.ContainsRune(clean, 0) {
		return "", usagef("path %q cannot be in a snapshot", name)
	}
	return clean, nil
}

// inSnapshot says which path of a snapshot an error is about.
func inSnapshot(name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) && !errors.Is(err, snapshot.ErrDamaged) {
		return usagef("no %q in the snapshot", name).hint("larder ls current lists what is there")
	}
	return fmt.Errorf("read %q of the snapshot: %w", name, err)
}

// openImage opens the image of the snapshot that ref names.
func openImage(s *snapshot.Store, ref string) (*image.Image, snapshot.ID, error) {
	id, err := s.Resolve(ref)
	if err != nil {
		return nil, id, err
	}
	img, err := image.OpenSnapshot(s, id)
	return img, id, err
}

// openSnapshot opens the image of the snapshot that ref names in the store that the command
// works on.
func openSnapshot(c *cli.Context, ref string) (*image.Image, snapshot.ID, error) {
	s, err := openStore(c)
	if err != nil {
		return nil, snapshot.ID{}, err
	}
	return openImage(s, ref)
}

// maxArgs refuses arguments nobody would read.
func maxArgs(c *cli.Context, n int) error {
	if c.NArg() > n {
		return usagef("%s does not take %q", c.Command.Name, c.Args().Get(n)).hint("larder %s --help shows what it takes", c.Command.Name)
	}
	return nil
}
