package main

import (
	"fmt"
	"io"
	"os"
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
	quiet bool // data goes to standard output; warnings are still said

	bars   *mpb.Progress // nil without a terminal
	stages map[string]*mpb.Bar
	items  map[string]string

	last  time.Time
	stage string
}

// lineEvery is how often a plain line is written.
const lineEvery = 5 * time.Second

func newProgress(out *os.File, quiet bool) *progress {
	p := &progress{out: out, quiet: quiet, stages: map[string]*mpb.Bar{}, items: map[string]string{}}
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
		fmt.Fprintf(p.out, "larder: %s\n", line(e))
	}
}

func line(e builder.Event) string {
	s := fmt.Sprintf("%s %d of %d", e.Stage, e.Done, e.Total)
	if e.Bytes > 0 {
		s += ", " + humanize.Bytes(uint64(e.Bytes)) + " fetched"
	}
	return s
}

func (p *progress) bar(e builder.Event) {
	bar := p.stages[e.Stage]
	p.items[e.Stage] = e.Item
	if bar == nil {
		stage := e.Stage
		bar = p.bars.AddBar(int64(e.Total),
			mpb.PrependDecorators(decor.Name(fmt.Sprintf("%-7s", stage)), decor.CountersNoUnit("%4d/%d ")),
			mpb.AppendDecorators(decor.Elapsed(decor.ET_STYLE_GO)))
		p.stages[stage] = bar
	}
	bar.SetCurrent(int64(e.Done))
}

// warn says one line without breaking the bars.
func (p *progress) warn(text string) {
	var w io.Writer = p.out
	if p.bars != nil {
		w = p.bars
	}
	fmt.Fprintf(w, "larder: warning: %s\n", printable(text))
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
