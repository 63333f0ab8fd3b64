package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"larder/builder"
)

// progress shows how far a build is: bars on a terminal, elsewhere a plain line
// at most every few seconds, so that a log stays readable.
type progress struct {
	out   *os.File
	quiet bool // warnings are still said

	bars   *mpb.Progress // nil without a terminal
	stages map[string]*mpb.Bar
	bytes  atomic.Int64 // fetched; the bars draw by themselves

	last  time.Time
	stage string
}

// lineEvery is how often a plain line is written.
const lineEvery = 5 * time.Second

func newProgress(out *os.File, quiet bool) *progress {
	p := &progress{out: out, quiet: quiet, stages: map[string]*mpb.Bar{}}
	if !quiet && term.IsTerminal(int(out.Fd())) {
		p.bars = mpb.New(mpb.WithOutput(out), mpb.WithWidth(40))
	}
	return p
}

// event shows one event of the builder, which calls it from one goroutine at a time.
func (p *progress) event(e builder.Event) {
	switch {
	case p.quiet:
	case p.bars != nil:
		p.bar(e)
	case e.Stage != p.stage && e.Stage != "unpack" || e.Done == e.Total || time.Since(p.last) > lineEvery:
		p.stage, p.last = e.Stage, time.Now()
		say(p.out, slog.LevelInfo, line(e))
	}
}

func line(e builder.Event) string {
	s := e.Stage
	switch {
	case e.Total > 0:
		s += fmt.Sprintf(" %d of %d", e.Done, e.Total)
	case e.Done > 0: // nobody knows of how many
		s += fmt.Sprintf(" %d", e.Done)
	}
	if e.Stage == "fetch" || e.Stage == "resolve" && e.Done > 0 {
		s += ", " + humanize.Bytes(uint64(e.Bytes)) + " fetched"
	}
	return s
}

func (p *progress) bar(e builder.Event) {
	p.bytes.Store(e.Bytes)
	bar := p.stages[e.Stage]
	if bar == nil {
		bar = p.bars.AddBar(int64(e.Total), mpb.PrependDecorators(decor.Name(fmt.Sprintf("%-7s", e.Stage)), decor.CountersNoUnit("%4d/%d ")),
			mpb.AppendDecorators(decor.Elapsed(decor.ET_STYLE_GO), decor.Any(p.fetched(e.Stage))))
		p.stages[e.Stage] = bar
	}
	bar.SetCurrent(int64(e.Done))
}

// fetched is what stands behind a stage's bar: of the one that waits for a line, its bytes.
func (p *progress) fetched(stage string) decor.DecorFunc {
	return func(decor.Statistics) string {
		if stage != "fetch" {
			return ""
		}
		return "  " + humanize.Bytes(uint64(p.bytes.Load()))
	}
}

// warn says one line without breaking the bars.
func (p *progress) warn(text string) {
	var w io.Writer = p.out
	if p.bars != nil {
		w = p.bars
	}
	say(w, slog.LevelWarn, text)
}

// done leaves the terminal as it was.
func (p *progress) done() {
	if p.bars == nil {
		return
	}
	for _, b := range p.stages {
		b.Abort(false)
	}
	p.bars.Wait()
}
