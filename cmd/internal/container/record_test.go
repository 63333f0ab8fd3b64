package container

import (
	"errors"
	"log/slog"
	"slices"
	"testing"
)

// The line says what was attached, what was not and why, and what an operator should know; an error
// outdoes it all.
func TestLine(t *testing.T) {
	r := NewRecord()
	r.Name("c1")
	if got := r.Line("attach", nil); got != "attach c1: nothing attached" || r.Level(nil) != slog.LevelInfo {
		t.Error(got)
	}
	r.attached("pip", "/home/a/.cache/pip")
	r.Skip("uv", errors.New("a volume"))
	r.Note("full")
	if got := r.Line("attach", nil); got != `attach c1: pip at "/home/a/.cache/pip"; left out: uv: a volume; full` || r.Level(nil) != slog.LevelWarn {
		t.Error(got)
	}
	if got := r.Line("attach", r.LeftOut()); got != "attach c1: nothing attached: uv: a volume" {
		t.Error(got)
	}
	if got := r.Line("release", errors.New("no")); got != "release c1: no" {
		t.Error(got)
	}
	if NewRecord().LeftOut() != nil {
		t.Error("nothing was left out")
	}
}

// What was done is undone last first, and a step that comes after that at once.
func TestRollback(t *testing.T) {
	var undone []int
	r := NewRecord()
	for i := range 3 {
		r.Undo(func() { undone = append(undone, i) })
	}
	r.Rollback()
	r.Rollback()
	r.Undo(func() { undone = append(undone, 9) })
	if want := []int{2, 1, 0, 9}; !slices.Equal(undone, want) {
		t.Errorf("%v, want %v", undone, want)
	}
}
