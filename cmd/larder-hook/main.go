// The hook is over in milliseconds: it need not read its cgroup's CPU limit at the start,
// nor watch for another one.
//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"larder/cmd/internal/config"
	"larder/cmd/internal/container"
	"larder/cmd/internal/event"
	nodemodules "larder/overlay/npm"
	venv "larder/overlay/pypi"
	mavenleft "larder/popularity/maven"
	npmleft "larder/popularity/npm"
	leftovers "larder/popularity/pypi"
	"larder/snapshot/ecosystem"
	"larder/snapshot/maven"
	"larder/snapshot/npm"
	"larder/snapshot/npm/lock"
	"larder/snapshot/pypi"
)

const usage = `usage: larder-hook attach [--profile NAME] [--required] [--store DIR] [--config FILE] [--log FILE]
       larder-hook release [--store DIR] [--config FILE] [--log FILE]
       larder-hook --version
the container's state is read from standard input`

// version is the release; the Makefile sets it from git.
var version = "0.1.0-dev"

// program is its name in the logs.
const program = "larder-hook"

const (
	exitOK       = 0
	exitRequired = 1
	exitUsage    = 2
)

// deadline is for all of it. Hook definitions give 15 s: giving up before the
// runtime kills leaves time to undo.
const deadline = 10 * time.Second

// The main goroutine keeps the first thread: /proc/self is that thread's view,
// and it must stay the host's.
func init() { runtime.LockOSThread() }

func init() {
	e := pypi.Ecosystem
	e.Environments = venv.Environments
	e.Leftovers = leftovers.Leftovers{}
	ecosystem.Register(e)
	e = npm.Ecosystem
	e.Locks, e.Environments, e.Leftovers = lock.Locks, nodemodules.Environments, npmleft.Leftovers{}
	ecosystem.Register(e)
	e = maven.Ecosystem
	e.Leftovers = mavenleft.Leftovers{}
	ecosystem.Register(e)
}

func main() {
	debug.SetGCPercent(400) // an attach is over before its first collection
	store := os.Getenv("LARDER_STORE")
	os.Clearenv()
	unix.Umask(0o077)
	// Relative names, if any slipped through, are nobody's working directory.
	_ = os.Chdir("/")
	end(run(os.Args[1:], store, os.Stdin, os.Stderr))
}

// options are the command line.
type options struct {
	verb     string
	profile  string
	required bool
	store    string // flag, else LARDER_STORE, else ""
	config   string
	log      string
}

var errUsage = errors.New("usage")

func parse(args []string, store string) (options, error) {
	if len(args) == 0 {
		return options{}, fmt.Errorf("%w: attach or release?", errUsage)
	}
	o := options{verb: args[0], store: store}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	switch o.verb {
	case "attach":
		flags.StringVar(&o.profile, "profile", "", "")
		flags.BoolVar(&o.required, "required", false, "")
	case "release":
	case "-h", "-help", "--help", "help":
		return options{}, flag.ErrHelp
	default:
		return options{}, fmt.Errorf("%w: no command %.40q, only attach and release", errUsage, o.verb)
	}
	flags.StringVar(&o.store, "store", o.store, "")
	flags.StringVar(&o.config, "config", "", "")
	flags.StringVar(&o.log, "log", "", "")
	if err := flags.Parse(args[1:]); err != nil {
		return options{}, fmt.Errorf("%w: %s: %w", errUsage, o.verb, err)
	}
	if flags.NArg() > 0 {
		return options{}, fmt.Errorf("%w: %s takes no argument %.40q", errUsage, o.verb, flags.Arg(0))
	}
	for _, f := range []struct{ name, path string }{{"store", o.store}, {"config", o.config}, {"log", o.log}} {
		// It was made relative to a directory that we have left.
		if f.path != "" && !filepath.IsAbs(f.path) {
			return options{}, fmt.Errorf("%w: %s %.80q is not an absolute path", errUsage, f.name, f.path)
		}
	}
	if o.profile != "" && !config.ValidProfileName(o.profile) {
		return options{}, fmt.Errorf("%w: %.80q is no name of a profile", errUsage, o.profile)
	}
	return o, nil
}

func run(args []string, store string, stdin, stderr *os.File) int {
	if len(args) == 1 && args[0] == "--version" {
		fmt.Println("larder-hook", version)
		return exitOK
	}
	o, err := parse(args, store)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(stderr, usage)
		return exitOK
	}
	if err != nil {
		event.New(event.Stderr(stderr, program, slog.LevelError)).Error(err.Error())
		fmt.Fprintln(stderr, usage)
		return exitUsage
	}
	j := &job{options: o, Record: container.NewRecord(), log: logger(stderr, o.log)}
	alarm := time.AfterFunc(deadline, func() {
		end(j.finish(fmt.Errorf("not done after %v", deadline)))
	})
	j.commit = func() error {
		if !alarm.Stop() {
			select {} // the alarm is undoing everything, and ends the process
		}
		return nil
	}
	if o.verb == "release" {
		return j.finish(j.release(stdin))
	}
	return j.finish(j.attach(stdin))
}

// job is one run of the hook.
type job struct {
	options
	*container.Record
	log    *slog.Logger
	commit func() error // no deadline from here on

	mu    sync.Mutex
	ended bool
}

// finish reports, undoes what a failure leaves, and decides the exit status.
// The deadline calls it too, while the job is still at work: who comes second
// waits for the first to end the process.
func (j *job) finish(err error) int {
	j.mu.Lock()
	if j.ended {
		j.mu.Unlock()
		select {}
	}
	j.ended = true
	defer j.mu.Unlock()
	if err == nil && j.required {
		err = j.LeftOut()
	}
	if err != nil {
		j.Rollback()
	}
	j.log.LogAttrs(context.Background(), j.Level(err), j.Line(j.verb, err), j.Times()...)
	if err != nil && j.required {
		return exitRequired
	}
	return exitOK
}

// logger writes the hook's one line to the system log or to the file that takes its place, and trouble
// to standard error too, which the runtime shows.
func logger(stderr *os.File, file string) *slog.Logger {
	shown := event.Stderr(stderr, program, slog.LevelWarn)
	if file != "" {
		return event.New(shown, event.File(file, shown))
	}
	return event.New(shown, event.Syslog(program))
}
