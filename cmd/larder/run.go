package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"larder/cmd/internal/config"
	"larder/overlay/attach"
	"larder/overlay/keep"
	"larder/overlay/run"
	"larder/snapshot"
	"larder/snapshot/ecosystem"
)

// larder run keeps its command's exit status. Its own failures are those of a
// shell, env and timeout.
const (
	exitRunFailed        = 125
	exitRunNotExecutable = 126
	exitRunNotFound      = 127
)

func runCommand() *cli.Command {
	return &cli.Command{
		Name:      "run",
		Usage:     "run a command with the snapshot's views attached, and a lock's packages installed",
		ArgsUsage: "-- COMMAND [ARG...]",
		Description: "The command sees the snapshot's caches where its tools look for them, below what was\n" +
			"there; with -r the packages of a lock are installed, in --venv, in .venv, or in a new\n" +
			"virtual environment of its own. What it writes there is thrown away, or kept with --instance.\n" +
			"What it leaves running keeps all of that until it ends; larder gc then takes it away.\n" +
			"Without root it needs a snapshot that root keeps mounted for you (larder mount --user NAME);\n" +
			"it has no lease then, is in no list of larder ps, and what it downloads is not counted.\n" +
			"The exit status is the command's: 125 if larder itself failed, 126 and 127 as a shell's.\n" +
			"What cannot be attached is a warning, unless --required.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "snapshot", Usage: "attach snapshot `ID` (default: current)"},
			&cli.StringSliceFlag{Name: "view", Usage: "attach view `NAME` only; may be repeated (default: " + strings.Join(ecosystem.AttachedViews(), ", ") + ")"},
			&cli.StringSliceFlag{Name: "requirement", Aliases: []string{"r"}, Usage: "mount the packages of lock `FILE`; may be repeated"},
			&cli.StringFlag{Name: "missing", Usage: "what the snapshot lacks of a lock: `warn|fail|pip`; pip: the environment's own pip installs it (default: warn)"},
			&cli.StringFlag{Name: "scripts", Usage: "the install scripts of a lock's packages: `none|run`; run: npm runs them before the command (default: none)"},
			&cli.StringFlag{Name: "built", Usage: "mount what was built from sources: `no|pure|all`; pure: what has no machine code (default: pure)"},
			&cli.StringFlag{Name: "target", Usage: "mount for `TAG`, such as cp311-manylinux_2_36_x86_64 (default: the virtual environment's, else this host's)"},
			&cli.StringFlag{Name: "venv", Usage: "mount on the virtual environment `DIR` (default: .venv, if it is there)"},
			&cli.StringFlag{Name: "user", Usage: "run as `NAME` or number"},
			&cli.StringFlag{Name: "instance", Usage: "keep what the command writes in `DIR`, and use it again"},
			&cli.BoolFlag{Name: "required", Usage: "fail (125) when something cannot be attached"},
			&cli.StringFlag{Name: "report", Usage: "write to `FILE`, as JSON, what was attached and what the command left in the upper"},
			runDirFlag(),
		},
		OnUsageError: func(c *cli.Context, err error, sub bool) error {
			report(c.App.Writer, os.Stderr, false, onUsageError(c, err, sub))
			return statusError(exitRunFailed)
		},
		Action: func(c *cli.Context) error {
			status, err := runRun(c)
			if err == nil {
				return statusOrNil(status)
			}
			if errors.Is(err, context.Canceled) {
				return errInterrupted // before the command began
			}
			// Said here, not in exit.go: its table has no code for these.
			report(c.App.Writer, os.Stderr, false, err)
			switch {
			case errors.Is(err, run.ErrNotFound):
				return statusError(exitRunNotFound)
			case errors.Is(err, run.ErrNotExecutable):
				return statusError(exitRunNotExecutable)
			}
			return statusError(exitRunFailed)
		},
	}
}

func statusOrNil(status int) error {
	if status == 0 {
		return nil
	}
	return statusError(status)
}

// runDirFlag names the run directory: where snapshots are kept mounted.
func runDirFlag() cli.Flag {
	return &cli.StringFlag{Name: "run-dir", Usage: "`DIR` where snapshots are kept mounted", Value: keep.DefaultDir, Hidden: true}
}

// running is one larder run and what is to be undone after it.
type running struct {
	run.Config
	c         *cli.Context
	settings  config.Run
	store     *snapshot.Store
	id        snapshot.ID
	container string           // of the lease, "" without one
	throwAway string           // instance to trash, "" when kept
	lacked    []ecosystem.Miss // of the locks, not in the snapshot
	left      []int            // processes that outlived the command
	inside    *inside          // nil: not in a user namespace of its own
}

func runRun(c *cli.Context) (int, error) {
	r := &running{c: c}
	status, err := r.do()
	if r.inside != nil {
		err = r.inside.report(err)
	}
	return status, err
}

func (r *running) do() (int, error) {
	if err := r.options(); err != nil {
		return 0, err
	}
	if r.inside == nil && os.Geteuid() != 0 {
		if status, done, err := r.again(); done || err != nil {
			return status, err
		}
		return r.run()
	}
	defer r.finish()
	if err := r.open(); err != nil {
		if err := r.without(err); err != nil {
			return 0, err
		}
	}
	return r.run()
}

// without has the command run as it would have without us, where there is no store, no snapshot or
// no right to mount. What was asked for by name is not passed over.
func (r *running) without(err error) error {
	if r.Required || r.c.IsSet("snapshot") || r.c.IsSet("instance") || attach.IsFatal(err) {
		return err
	}
	text := err.Error()
	if hint := hintOf(err); hint != "" {
		text += " (" + hint + ")"
	}
	warnf("%s; the command runs without larder", text)
	r.Snapshot.ID = ""
	return nil
}

func (r *running) run() (int, error) {
	result, err := run.Run(r.c.Context, r.Config)
	r.left = result.Left
	if err != nil {
		return 0, err
	}
	if err := writeRunReport(r.c.String("report"), r.id, result); err != nil {
		warnf("%v", err)
	}
	return result.Status, nil
}

// options checks the command line.
func (r *running) options() error {
	c := r.c
	if err := refuseEmpty(c); err != nil {
		return err
	}
	if err := r.takeSettings(); err != nil {
		return err
	}
	if !c.Args().Present() {
		return usagef("run: no command").hint("larder run [OPTIONS] -- COMMAND [ARG...]")
	}
	if len(c.StringSlice("requirement")) == 0 {
		for _, name := range []string{"venv", "target", "missing", "scripts"} {
			if c.IsSet(name) {
				return usagef("--%s needs a lock", name).hint("name one with -r")
			}
		}
	}
	r.Measure = c.String("report") != ""
	r.Command, r.Env = c.Args().Slice(), os.Environ()
	r.Required = r.settings.Required
	if !slices.Equal(r.settings.Views, config.Default().Run.Views) {
		r.Views = r.settings.Views // named, so each of them has to be there
	}
	r.Built = r.settings.Built
	r.RunDir = keep.Dir(c.String("run-dir"))
	r.Warn = func(line string) { warnf("%s", line) }
	r.User = run.CurrentUser(r.Env)
	if name := c.String("user"); name != "" {
		u, err := run.LookupUser(name)
		if err != nil {
			return usagef("%v", err).hint("name a user of this host, or a number")
		}
		if u.Owner.UID != os.Geteuid() {
			if os.Geteuid() != 0 {
				return usagef("--user %s needs root", name)
			}
			r.User = u
		}
	}
	return nil
}

// writeRunReport writes what scripts ask after a run; standard output is the
// command's.
func writeRunReport(path string, id snapshot.ID, r run.Report) error {
	if path == "" {
		return nil
	}
	out := struct {
		Snapshot  string      `json:"snapshot,omitempty"`
		Tree      keep.How    `json:"tree,omitempty"`
		Mounts    []run.Mount `json:"mounts"`
		AttachMS  float64     `json:"attach_ms"`
		Status    int         `json:"status"`
		Signaled  bool        `json:"signaled"`
		UpperSize int64       `json:"upper_bytes"`
		Left      []int       `json:"left_running"`
	}{Tree: r.Tree, Mounts: append([]run.Mount{}, r.Mounts...), AttachMS: float64(r.Attach.Microseconds()) / 1000, Status: r.Status, Signaled: r.Signaled, Left: append([]int{}, r.Left...)}
	if !id.IsZero() {
		out.Snapshot = id.String()
	}
	for _, m := range r.Mounts {
		out.UpperSize += m.UpperBytes
	}
	b, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	_, err = f.Write(append(b, '\n'))
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}
