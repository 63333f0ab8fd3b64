package container

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// Record is what became of one attach or release so far, and how to undo it. Who gives up on it may
// read it while it is still being written.
type Record struct {
	mu      sync.Mutex
	began   time.Time
	last    time.Time // end of the last lap
	id      string    // of the container
	undo    []func()
	undone  bool
	skipped []string // parts left out, each with its reason
	notes   []string // what else an operator wants to know
	done    []string // parts attached
	laps    []slog.Attr
}

// NewRecord begins now.
func NewRecord() *Record {
	now := time.Now()
	return &Record{began: now, last: now}
}

func (r *Record) locked(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
}

// Name says whose record it is.
func (r *Record) Name(id string) { r.locked(func() { r.id = id }) }

// Lap notes how long the step that ends here took.
func (r *Record) Lap(name string) {
	r.locked(func() {
		now := time.Now()
		r.laps = append(r.laps, slog.Float64(name, milliseconds(now.Sub(r.last))))
		r.last = now
	})
}

// Undo remembers how to undo a step, and does so at once when the others are undone already.
func (r *Record) Undo(f func()) {
	late := false
	r.locked(func() {
		if late = r.undone; !late {
			r.undo = append(r.undo, f)
		}
	})
	if late {
		f()
	}
}

// Note is told what is worth a line, though the part is attached.
func (r *Record) Note(what string) { r.locked(func() { r.notes = append(r.notes, what) }) }

// Done is told what was done, such as a part that is attached.
func (r *Record) Done(what string) { r.locked(func() { r.done = append(r.done, what) }) }

func (r *Record) attached(part, path string) { r.Done(fmt.Sprintf("%s at %.200q", part, path)) }

// Skip is told which part is left out, and why.
func (r *Record) Skip(part string, err error) {
	r.locked(func() { r.skipped = append(r.skipped, part+": "+err.Error()) })
}

// LeftOut is an error that names the parts left out, nil when there are none.
func (r *Record) LeftOut() (err error) {
	r.locked(func() {
		if len(r.skipped) > 0 {
			err = errors.New(strings.Join(r.skipped, "; "))
		}
	})
	return err
}

// Rollback undoes what was done, last first.
func (r *Record) Rollback() {
	var undo []func()
	r.locked(func() { undo, r.undo, r.undone = r.undo, nil, true })
	for i := len(undo) - 1; i >= 0; i-- {
		undo[i]()
	}
}

// Level is that of the line.
func (r *Record) Level(err error) (level slog.Level) {
	r.locked(func() {
		if level = slog.LevelInfo; err != nil || len(r.skipped)+len(r.notes) > 0 {
			level = slog.LevelWarn
		}
	})
	return level
}

// Line says in one line how an attach or a release went, and with what error.
func (r *Record) Line(verb string, err error) (line string) {
	r.locked(func() { line = r.line(verb, err) })
	return line
}

func (r *Record) line(verb string, err error) string {
	var b strings.Builder
	b.WriteString(verb)
	if r.id != "" {
		fmt.Fprintf(&b, " %.80s", r.id)
	}
	b.WriteString(": ")
	switch {
	case err != nil && verb == "attach":
		b.WriteString("nothing attached: " + err.Error())
	case err != nil:
		b.WriteString(err.Error())
	case len(r.done) == 0 && verb == "attach":
		b.WriteString("nothing attached")
	default:
		b.WriteString(strings.Join(r.done, ", "))
	}
	if err == nil && len(r.skipped) > 0 {
		b.WriteString("; left out: " + strings.Join(r.skipped, "; "))
	}
	if err == nil && len(r.notes) > 0 {
		b.WriteString("; " + strings.Join(r.notes, "; "))
	}
	return b.String()
}

// Times are the whole in milliseconds, and its steps.
func (r *Record) Times() (times []slog.Attr) {
	r.locked(func() {
		times = []slog.Attr{slog.Float64("ms", milliseconds(time.Since(r.began))), {Key: "ms", Value: slog.GroupValue(r.laps...)}}
	})
	return times
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
