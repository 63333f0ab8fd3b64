package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"runtime/debug"

	"golang.org/x/sys/unix"

	"larder/builder"
	"larder/builder/maven"
	"larder/builder/npm"
	build "larder/builder/pypi"
	nodemodules "larder/overlay/npm"
	venv "larder/overlay/pypi"
	mavenleft "larder/popularity/maven"
	npmleft "larder/popularity/npm"
	leftovers "larder/popularity/pypi"
)

func main() {
	if os.Getenv("GOGC") == "" {
		// Every command is over soon: larder run ends before its first collection, and a
		// build, a tenth of whose time was spent collecting, stays far below its objects' size.
		debug.SetGCPercent(400)
	}
	os.Exit(mainCode(os.Args))
}

func init() {
	e := build.Ecosystem()
	e.Environments, e.Leftovers = venv.Environments, leftovers.Leftovers{}
	builder.Register(e)
	e = npm.Ecosystem()
	e.Environments, e.Leftovers = nodemodules.Environments, npmleft.Leftovers{}
	builder.Register(e)
	e = maven.Ecosystem()
	e.Leftovers = mavenleft.Leftovers{}
	builder.Register(e)
}

// mainCode runs one command line and returns its exit code. Scripts in
// testdata call it as the program itself.
func mainCode(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	defer stop()
	openJournal(os.Stderr, os.Getenv("JOURNAL_STREAM"))
	app := newApp()
	out := &output{w: app.Writer}
	app.Writer = out
	err := app.RunContext(ctx, hoistFlags(app, args))
	if err == nil {
		err = out.err
	}
	var status statusError // run keeps its command's, which may have ended of the same signal
	if ctx.Err() != nil && err != nil && !errors.As(err, &status) {
		err = errInterrupted
	}
	return report(os.Stdout, os.Stderr, wantsJSON(args), err)
}

// output is standard output that remembers what went wrong: an answer that nobody
// got, on a full disk for one, is no success, whoever forgot to look.
type output struct {
	w   io.Writer
	err error
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.w.Write(p)
	if err != nil && o.err == nil {
		o.err = err
	}
	return n, err
}
