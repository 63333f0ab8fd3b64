package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"larder/cmd/internal/definition"
	"larder/snapshot"
)

// The files that setup writes, named as those of packages.
const (
	attachFile  = "larder-attach.json"
	releaseFile = "larder-release.json"
	cdiFile     = "larder-cdi.json"
)

func setupPodmanCommand() *cli.Command {
	return &cli.Command{
		Name:  "podman",
		Usage: "tell Podman, buildah and CRI-O of the hook: hooks.d and CDI",
		Description: "Without --every a container asks: podman run --annotation dev.larder.profile=default, or\n" +
			"--device larder.dev/cache=default. That is the default, as a hook in the way of every\n" +
			"container of a host is in the way of those whose owners never heard of it. Where both\n" +
			"are said, one of them does it.",
		Flags: append([]cli.Flag{
			&cli.BoolFlag{Name: "every", Usage: "every container gets it, not only those that ask"},
			&cli.StringFlag{Name: "profile", Usage: "`NAME` of what a container gets that does not name one"},
			&cli.StringFlag{Name: "hooks-dir", Value: "/usr/share/containers/oci/hooks.d", Usage: "hooks.d is `DIR`"},
			&cli.StringFlag{Name: "cdi-dir", Value: "/etc/cdi", Usage: "CDI specifications are in `DIR`"},
		}, hookFlags()...),
		Action: func(c *cli.Context) error {
			return runSetupEngine(c, func(h definition.Hook, profiles []string) []setupFile {
				attach, release := definition.HooksD(h, c.Bool("every"))
				dir := c.String("hooks-dir")
				return []setupFile{
					{filepath.Join(dir, attachFile), attach}, {filepath.Join(dir, releaseFile), release},
					{filepath.Join(c.String("cdi-dir"), cdiFile), definition.CDI(h, profiles)},
				}
			}, "try it: podman run --rm --device larder.dev/cache=default IMAGE pip cache dir")
		},
	}
}

func setupDockerCommand() *cli.Command {
	return &cli.Command{
		Name:  "docker",
		Usage: "tell Docker of the hook: CDI devices, one for each profile",
		Description: "docker run --device larder.dev/cache=default; the other devices are the profiles of the\n" +
			"configuration that are requestable. Docker 28.2 and later reads the specification by\n" +
			"itself; 25 to 28.1 with \"features\": {\"cdi\": true} in /etc/docker/daemon.json. Docker before\n" +
			"25 knows none: larder-runc, beside the hook, is a runtime for it (runtimes in daemon.json).",
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "cdi-dir", Value: "/etc/cdi", Usage: "CDI specifications are in `DIR`"},
		}, hookFlags()...),
		Action: func(c *cli.Context) error {
			return runSetupEngine(c, func(h definition.Hook, profiles []string) []setupFile {
				return []setupFile{{filepath.Join(c.String("cdi-dir"), cdiFile), definition.CDI(h, profiles)}}
			}, `up to Docker 28.1, say "features": {"cdi": true} in /etc/docker/daemon.json and restart it`,
				"try it: docker run --rm --device larder.dev/cache=default IMAGE pip cache dir")
		},
	}
}

// setupFile is a file to be there.
type setupFile struct {
	path string
	text []byte
}

// runSetupEngine writes the files of an engine, or removes them. The first written is the last removed.
func runSetupEngine(c *cli.Context, files func(definition.Hook, []string) []setupFile, next ...string) error {
	if c.Args().Present() {
		return usagef("setup %s takes no argument %q", c.Command.Name, c.Args().First())
	}
	if c.Bool("remove") {
		r := definitionsReport{}
		for _, f := range files(definition.Hook{}, nil) {
			if err := r.remove(c, f.path); err != nil {
				return err
			}
		}
		return r.print(c)
	}
	cfg, err := loadConfig(c)
	if err != nil {
		return err
	}
	h, err := setupHook(c)
	if err != nil {
		return err
	}
	r := definitionsReport{Next: next}
	for _, f := range files(h, setupProfiles(cfg)) {
		if err := r.write(c, f, true); err != nil {
			return err
		}
	}
	return r.print(c)
}

// definitionsReport is what was written, removed, or as it should be already.
type definitionsReport struct {
	Wrote     []string      `json:"wrote"`
	Removed   []string      `json:"removed"`
	Unchanged []string      `json:"unchanged"`
	Planned   []plannedFile `json:"planned,omitempty"` // with --dry-run
	Next      []string      `json:"next,omitempty"`
}

// plannedFile is what would be written, Text "" what would be removed.
type plannedFile struct {
	File string `json:"file"`
	Text string `json:"text,omitempty"`
}

// write writes a file by rename, so that no engine reads half of it, and makes its directory if it may.
func (r *definitionsReport) write(c *cli.Context, f setupFile, mkdir bool) error {
	had, err := os.ReadFile(f.path)
	switch {
	case err == nil && bytes.Equal(had, f.text):
		r.Unchanged = append(r.Unchanged, f.path)
		return nil
	case c.Bool("dry-run"):
		r.Planned = append(r.Planned, plannedFile{f.path, string(f.text)})
		return nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return setupError(f.path, err)
	}
	if mkdir {
		if err := os.MkdirAll(filepath.Dir(f.path), 0o755); err != nil {
			return setupError(f.path, err)
		}
	}
	if err := snapshot.WriteFile(f.path, f.text, 0o644); err != nil {
		return setupError(f.path, err)
	}
	r.Wrote = append(r.Wrote, f.path)
	return nil
}

func (r *definitionsReport) remove(c *cli.Context, path string) error {
	_, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err == nil && c.Bool("dry-run"):
		r.Planned = append(r.Planned, plannedFile{File: path})
		return nil
	case err == nil:
		err = os.Remove(path)
	}
	if err != nil {
		return setupError(path, err)
	}
	r.Removed = append(r.Removed, path)
	return nil
}

// setupError is a usage error where the caller may not do it.
func setupError(path string, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return usagef("%s cannot be written by user %d", path, os.Geteuid()).hint("run it as root, or name another directory; --dry-run only prints")
	}
	return fmt.Errorf("set up %s: %w", path, err)
}

func (r *definitionsReport) print(c *cli.Context) error {
	if jsonWanted(c) {
		for _, list := range []*[]string{&r.Wrote, &r.Removed, &r.Unchanged} {
			*list = append([]string{}, *list...)
		}
		return printJSON(c, r)
	}
	w := c.App.Writer
	for _, done := range []struct {
		word  string
		files []string
	}{{"wrote", r.Wrote}, {"removed", r.Removed}, {"unchanged", r.Unchanged}} {
		for _, f := range done.files {
			fmt.Fprintf(w, "%s %s\n", done.word, f)
		}
	}
	for _, p := range r.Planned {
		if p.Text == "" {
			fmt.Fprintf(w, "would remove %s\n", p.File)
			continue
		}
		fmt.Fprintf(w, "would write %s:\n%s", p.File, p.Text)
	}
	if len(r.Wrote) > 0 {
		for _, line := range r.Next {
			fmt.Fprintln(w, line)
		}
	}
	return nil
}
