// Package event writes what an operator finds in the host's log: one event of a program is one line, made
// by [log/slog] through the handler here.
//
//	MESSAGE key=value key="two words" group.key=1.5
//
// The time is the log's. The level is the log's priority, of which each [Sink] says in its own way:
// the journal takes "<4>" before a line of a unit's standard error (sd-daemon(3)), the system log's socket
// "<28>NAME[PID]: " (RFC 3164).
//
// Parts of a message are the words of containers and of indexes. What is not printable is escaped, so
// that one event stays one line; long values are cut; and of addresses only scheme, host and path remain.
package event

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
)

// Sink writes one line, without a newline at its end. It neither blocks for long nor fails: what is
// logged has happened already.
type Sink func(level slog.Level, line string)

// New returns a logger that writes to all of the sinks.
func New(sinks ...Sink) *slog.Logger { return slog.New(handler{sinks: sinks}) }

// The longest parts of a line, in bytes, before "..." is written for the rest.
const (
	maxMessage = 1500
	maxValue   = 1000
)

// handler is the one handler of both programs.
type handler struct {
	sinks []Sink
	attrs string // of WithAttrs, as they are written
	group string // of WithGroup, each with its dot
}

func (h handler) Enabled(context.Context, slog.Level) bool { return true }

func (h handler) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString(clip(Printable(Redact(r.Message)), maxMessage))
	b.WriteString(h.attrs)
	r.Attrs(func(a slog.Attr) bool {
		write(&b, h.group, a)
		return true
	})
	for _, sink := range h.sinks {
		sink(r.Level, b.String())
	}
	return nil
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	var b strings.Builder
	for _, a := range attrs {
		write(&b, h.group, a)
	}
	h.attrs += b.String()
	return h
}

func (h handler) WithGroup(name string) slog.Handler {
	if name != "" {
		h.group += name + "."
	}
	return h
}

// write appends " key=value". Empty attributes and empty groups are nothing, as slog has it.
func write(b *strings.Builder, group string, a slog.Attr) {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			group += a.Key + "."
		}
		for _, member := range v.Group() {
			write(b, group, member)
		}
		return
	}
	if a.Equal(slog.Attr{}) {
		return
	}
	b.WriteByte(' ')
	b.WriteString(Printable(group + a.Key))
	b.WriteByte('=')
	if v.Kind() == slog.KindFloat64 {
		b.WriteString(strconv.FormatFloat(v.Float64(), 'f', -1, 64))
		return
	}
	b.WriteString(quote(clip(Redact(v.String()), maxValue)))
}

// quote leaves a value bare that is one printable word.
func quote(s string) string {
	if s == "" || strings.ContainsAny(s, " \"=\\") || Printable(s) != s {
		return strconv.Quote(s)
	}
	return s
}

// clip cuts a text that is longer than most bytes, between two characters.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}
