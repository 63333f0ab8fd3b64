package main

import (
	"context"
	"errors"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

func main() {
	os.Exit(mainCode(os.Args))
}

// mainCode runs one command line and returns its exit code. Scripts in
// testdata call it as the program itself.
func mainCode(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	defer stop()
	app := newApp()
	err := app.RunContext(ctx, hoistFlags(app, args))
	var status statusError // run keeps its command's, which may have ended of the same signal
	if ctx.Err() != nil && err != nil && !errors.As(err, &status) {
		err = errInterrupted
	}
	return report(os.Stdout, os.Stderr, wantsJSON(args), err)
}
