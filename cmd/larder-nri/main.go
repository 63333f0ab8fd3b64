package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"

	"larder/cmd/internal/event"
	"larder/cmd/internal/readiness"
	nodemodules "larder/overlay/npm"
	venv "larder/overlay/pypi"
	leftovers "larder/popularity/pypi"
	"larder/snapshot/ecosystem"
	"larder/snapshot/maven"
	"larder/snapshot/npm"
	"larder/snapshot/npm/lock"
	"larder/snapshot/pypi"
)

const usage = `usage: larder-nri [--store DIR] [--config FILE] [--required] [--socket FILE] [--index NN] [--bundles DIR] [--ready FILE] [--hook FILE]
       larder-nri ready [--ready FILE]
       larder-nri --version`

// version is the release; the Makefile sets it from git.
var version = "0.1.0-dev"

// program is its name in the logs.
const program = "larder-nri"

const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
)

// The main goroutine keeps the first thread: /proc/self is that thread's view,
// and it must stay the plugin's own.
func init() { runtime.LockOSThread() }

func init() {
	e := pypi.Ecosystem
	e.Environments = venv.Environments
	e.Leftovers = leftovers.Leftovers{}
	ecosystem.Register(e)
	e = npm.Ecosystem
	e.Locks, e.Environments = lock.Locks, nodemodules.Environments
	ecosystem.Register(e)
	ecosystem.Register(maven.Ecosystem)
}

func main() {
	unix.Umask(0o077)
	_ = os.Chdir("/")
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// options are the command line.
type options struct {
	verb     string // "" or "ready"
	store    string // flag, else LARDER_STORE, else ""
	config   string
	required bool
	socket   string
	index    string
	bundles  string
	ready    string
	hook     string
}

func run(args []string, stdout, stderr *os.File) int {
	if len(args) == 1 && args[0] == "--version" {
		fmt.Fprintln(stdout, program, version)
		return exitOK
	}
	log := logger(stderr)
	o, err := parse(args, os.Getenv("LARDER_STORE"))
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprintln(stdout, usage)
		return exitOK
	case err != nil:
		log.Error(err.Error())
		fmt.Fprintln(stderr, usage)
		return exitUsage
	case o.verb == "ready":
		return ready(o.ready, stdout, log)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	defer stop()
	newPlugin(o, log).serve(ctx)
	return exitOK
}

// logger writes to the journal where standard error is that, and else for a person.
func logger(stderr *os.File) *slog.Logger {
	if sink := event.Journal(stderr, os.Getenv("JOURNAL_STREAM")); sink != nil {
		return event.New(sink)
	}
	return event.New(event.Stderr(stderr, program, slog.LevelInfo))
}

func parse(args []string, store string) (options, error) {
	o := options{store: store}
	flags := flag.NewFlagSet(program, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&o.ready, "ready", readiness.Path, "")
	if len(args) > 0 && args[0] == "ready" {
		o.verb, args = args[0], args[1:]
	} else {
		flags.StringVar(&o.store, "store", o.store, "")
		flags.StringVar(&o.config, "config", "", "")
		flags.BoolVar(&o.required, "required", false, "")
		flags.StringVar(&o.socket, "socket", "/var/run/nri/nri.sock", "")
		flags.StringVar(&o.index, "index", "50", "")
		flags.StringVar(&o.bundles, "bundles", "", "")
		flags.StringVar(&o.hook, "hook", "", "")
	}
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return o, err
		}
		return o, fmt.Errorf("usage: %w", err)
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("usage: no argument %.40q", flags.Arg(0))
	}
	return o, o.check()
}

func (o options) check() error {
	for _, f := range []struct{ name, path string }{{"store", o.store}, {"config", o.config}, {"socket", o.socket}, {"bundles", o.bundles}, {"ready", o.ready}, {"hook", o.hook}} {
		// It would be relative to a directory that we have left.
		if f.path != "" && !filepath.IsAbs(f.path) {
			return fmt.Errorf("usage: %s %.80q is not an absolute path", f.name, f.path)
		}
	}
	if o.verb == "" && (len(o.index) != 2 || o.index[0] < '0' || o.index[0] > '9' || o.index[1] < '0' || o.index[1] > '9') {
		return fmt.Errorf("usage: index %.80q is not two digits", o.index)
	}
	if o.hook != "" {
		if st, err := os.Stat(o.hook); err != nil || !st.Mode().IsRegular() || st.Mode()&0o111 == 0 {
			return fmt.Errorf("usage: hook %.80q is no program", o.hook)
		}
	}
	return nil
}
