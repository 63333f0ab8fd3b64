package main

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"larder/overlay"
	"larder/overlay/keep"
	"larder/overlay/run"
	"larder/snapshot"
)

func mountCommand() *cli.Command {
	return &cli.Command{
		Name:      "mount",
		Usage:     "keep a snapshot mounted, so that attaches take microseconds",
		ArgsUsage: "[SNAPSHOT]",
		Description: "The snapshot's image and tree are mounted below /run/larder/snapshots, the tree once more\n" +
			"for each --user, who alone can read it: larder run without root and rootless Podman find it at\n" +
			"/run/larder/users/UID/current/tree. What is mounted already stays; what is half mounted is repaired.\n" +
			"Without SNAPSHOT it is the current one, and older ones that nobody uses are let go of; from\n" +
			"then on builds and larder use do that by themselves. One that is named stays until unmount.",
		Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "user", Usage: "also for containers and commands of user `NAME`, or a number; may be repeated"},
			runDirFlag(),
		},
		Action: runMount,
	}
}

func unmountCommand() *cli.Command {
	return &cli.Command{
		Name:        "unmount",
		Usage:       "let go of a snapshot that is kept mounted",
		ArgsUsage:   "[SNAPSHOT | --all]",
		Description: "Containers and commands that use it are not disturbed.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "all", Usage: "let go of every snapshot of the store"},
			runDirFlag(),
		},
		Action: runUnmount,
	}
}

// mounted is what mount and unmount print with --json.
type mounted struct {
	Snapshot string   `json:"snapshot"`
	Kept     []string `json:"kept"` // every snapshot of the store that is mounted now
}

func runMount(c *cli.Context) error {
	ref, err := oneSnapshot(c)
	if err != nil {
		return err
	}
	owners, err := owners(c)
	if err != nil {
		return err
	}
	store, err := openStore(c)
	if err != nil {
		return err
	}
	id, instead, err := store.Usable(ref)
	if err != nil {
		return err
	}
	if instead != nil {
		warnf("%v", instead)
	}
	dir := keep.Dir(c.String("run-dir"))
	s := toKeep(store, id)
	s.Stays = ref != "current"
	if err := dir.Mount(c.Context, s, owners...); err != nil {
		return unsupportedHint(err)
	}
	if ref == "current" {
		followCurrent(c, store)
	}
	return printMounted(c, dir, store.ObjectsDir(), id.String())
}

// owners are the users that the command line names, else those of the configuration. Who left the
// host meanwhile must not keep it from mounting at boot.
func owners(c *cli.Context) ([]overlay.Owner, error) {
	cfg, err := loadConfig(c)
	if err != nil {
		return nil, err
	}
	var all []overlay.Owner
	for _, name := range cfg.Mount.Users {
		u, err := run.LookupUser(name)
		switch {
		case err == nil:
			all = append(all, u.Owner)
		case c.IsSet("user"):
			return nil, usagef("%v", err).hint("name a user of this host, or a number")
		default:
			warnf("%v: left out of mount.users", err)
		}
	}
	return all, nil
}

func runUnmount(c *cli.Context) error {
	dir := keep.Dir(c.String("run-dir"))
	pool, err := poolPath(c)
	if err != nil {
		return err
	}
	if c.Bool("all") {
		if c.Args().Present() {
			return usagef("unmount takes a snapshot or --all, not both")
		}
		if err := dir.UnmountAll(c.Context, pool); err != nil {
			return err
		}
		return printMounted(c, dir, pool, "")
	}
	ref, err := oneSnapshot(c)
	if err != nil {
		return err
	}
	id, err := keptSnapshot(c, dir, pool, ref)
	if err != nil {
		return err
	}
	if err := dir.Unmount(c.Context, id, pool); err != nil {
		return err
	}
	return printMounted(c, dir, pool, id)
}

// poolPath is where the store's pool is, or was: the store may be gone.
func poolPath(c *cli.Context) (string, error) {
	dir, err := storeDir(c)
	if err != nil {
		return "", err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", err
	}
	return snapshot.ObjectsPath(dir), nil
}

// keptSnapshot resolves ref among what the store has mounted first: the
// snapshot, or the whole store, may be gone already.
func keptSnapshot(c *cli.Context, dir keep.Dir, pool, ref string) (string, error) {
	if id, err := dir.Find(pool, ref); id != "" || err != nil {
		return id, err
	}
	store, err := openStore(c)
	if err != nil {
		return "", err
	}
	id, err := store.Resolve(ref)
	return id.String(), err
}

// oneSnapshot is the command's only argument, or current.
func oneSnapshot(c *cli.Context) (string, error) {
	switch c.NArg() {
	case 0:
		return "current", nil
	case 1:
		return c.Args().First(), nil
	}
	return "", usagef("%s takes one snapshot, not %d", c.Command.Name, c.NArg())
}

func printMounted(c *cli.Context, dir keep.Dir, pool, id string) error {
	kept, err := dir.List(pool)
	if err != nil {
		return err
	}
	if jsonWanted(c) {
		return printJSON(c, mounted{Snapshot: id, Kept: append([]string{}, kept...)})
	}
	for _, k := range kept {
		fmt.Fprintln(c.App.Writer, k)
	}
	return nil
}

// unsupportedHint sends whoever lacks a feature to the command that finds it.
func unsupportedHint(err error) error {
	if errors.Is(err, overlay.ErrUnsupported) {
		return &adviceError{err, "larder doctor tries each part and says what to do"}
	}
	return err
}

// adviceError adds a hint to an error.
type adviceError struct {
	error
	advice string
}

func (e *adviceError) Hint() string  { return e.advice }
func (e *adviceError) Unwrap() error { return e.error }
