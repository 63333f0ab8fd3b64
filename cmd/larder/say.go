package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"

	"larder/builder"
	"larder/cmd/internal/event"
)

// journal takes the lines of a unit, where the service manager reads standard error; nil where people do.
var journal *slog.Logger

// openJournal looks at which of the two standard error is.
func openJournal(stderr *os.File, variable string) {
	journal = nil
	if sink := event.Journal(stderr, variable); sink != nil {
		journal = event.New(sink)
	}
}

// say writes one line on standard error.
func say(stderr io.Writer, level slog.Level, text string) {
	if journal != nil {
		journal.Log(context.Background(), level, text)
		return
	}
	word := ""
	if level >= slog.LevelWarn {
		word = "warning: "
	}
	fmt.Fprintf(stderr, "larder: %s%s\n", word, printable(text))
}

// warnf says a warning.
func warnf(format string, args ...any) {
	say(os.Stderr, slog.LevelWarn, fmt.Sprintf(format, args...))
}

// tellLoss says what a command that went well took away, and how to have it back.
func tellLoss(stderr io.Writer, text, hint string) {
	if journal != nil {
		journal.Log(context.Background(), slog.LevelWarn, text, "hint", hint)
		return
	}
	fmt.Fprintf(stderr, "larder: %s\nhint: %s\n", printable(text), printable(hint))
}

// tellFailure says why a command failed, and what to do about it.
func tellFailure(stderr io.Writer, text, hint string, code int) {
	switch {
	case journal != nil && hint != "":
		journal.Error(text, "exit", code, "hint", hint)
	case journal != nil:
		journal.Error(text, "exit", code)
	case hint != "":
		fmt.Fprintf(stderr, "larder: %s\nhint: %s\n", printable(text), printable(hint))
	default:
		fmt.Fprintf(stderr, "larder: %s\n", printable(text))
	}
}

// printable is a text as one line.
func printable(s string) string { return event.Printable(s) }

// logRun tells the journal what a command did to the store; people read it on standard output. Why
// one failed is said by report, like every error.
func logRun(run builder.Run) {
	if journal == nil || run.Exit != exitOK && run.Exit != exitSkips && run.Detail == "" {
		return
	}
	text, attrs := run.Detail, []slog.Attr{}
	if run.Snapshot != "" {
		attrs = append(attrs, slog.String("snapshot", run.Snapshot))
	}
	switch {
	case text != "":
	case run.Command == "use":
		text = "made current"
	case run.Published:
		text = "published"
	default:
		text = "nothing new to publish"
	}
	if run.Command == "build" {
		attrs = append(attrs, slog.Bool("current", run.Current), slog.Int("artifacts", run.Wheels), slog.Int64("bytes", run.Bytes),
			slog.Int64("fetched_bytes", run.Fetched), slog.Int("skipped", run.Skipped))
	}
	attrs = append(attrs, slog.Float64("seconds", float64(int(run.Seconds*1000))/1000), slog.Int("exit", run.Exit))
	journal.LogAttrs(context.Background(), slog.LevelInfo, text, attrs...)
}
