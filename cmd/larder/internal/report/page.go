package report

import (
	_ "embed"
	"html/template"
	"io"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// Page is what is drawn. What is nil or empty is said to be unknown or none.
type Page struct {
	Version, Host, Store string
	Made                 time.Time

	Problems  []Problem
	Disk      []Share // what the store takes of its disk
	Free      int64   // bytes on that disk
	Freed     *int64  // bytes that a collection would free; nil: not known
	Snapshots []Snapshot
	Users     []User
	Packages  []Package // of the current snapshot
	Noun      string    // what one of its artifacts is called
	Ranking   []Ranked  // by rank, the first first
	Weeks     []Week    // the oldest first
	Missed    []Missed  // the most missed first
	Builds    []Build   // the newest first
}

// Problem is something that an operator should see to. Fix is the command that mends it.
type Problem struct {
	Needed       bool // nothing works without
	Name, Detail string
	Why, Fix     string // why it matters, and what mends it
}

// Share is a part of a whole, in bytes.
type Share struct {
	Name  string
	Bytes int64
}

// Snapshot is one of the store's. Own and Shared are bytes of the pool that it alone needs, and
// that others need too; both are -1 where its image cannot be read.
type Snapshot struct {
	ID          string
	Published   time.Time
	Marks       []string // current, held, …
	Users       int
	Artifacts   int
	Noun        string // what one of them is called
	Own, Shared int64
}

// User is what has a snapshot mounted.
type User struct {
	Name, Snapshot string
	Since          time.Time
}

// Package is one project that is stocked.
type Package struct {
	Project  string
	Versions []string
	Files    int
	Bytes    int64
	Rank     int // 0: not ranked
}

// Ranked is one place of the ranking.
type Ranked struct {
	Project string
	Stocked bool
}

// Week is what ended in the week that began then.
type Week struct {
	Start            string
	Used, Downloaded int64 // artifacts, from a snapshot and not
	Spared           int64 // bytes, at least
}

// HitRate is the share of artifacts that came from a snapshot, from 0 to 1.
func (w Week) HitRate() float64 { return share(w.Used, w.Used+w.Downloaded) }

// Missed is a project that containers had to download.
type Missed struct {
	Project string
	Count   int64
	Stocked bool // by now
}

// Build is one run of the weekly job.
type Build struct {
	Ended   time.Time
	OK      bool
	Took    time.Duration
	Outcome string
}

//go:embed page.html
var source string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"bytes":   bytesText,
	"count":   func(n int) string { return humanize.Comma(int64(n)) },
	"count64": humanize.Comma,
	"day":     func(t time.Time) string { return t.Format("2006-01-02") },
	"minute":  func(t time.Time) string { return t.Format("2006-01-02 15:04") },
	"percent": percent,
	"short":   func(id string) string { return id[:min(12, len(id))] },
	"join":    strings.Join,
	"took":    func(d time.Duration) string { return d.Round(time.Second / 10).String() },
}).Parse(source))

// Write draws the page.
func (p Page) Write(w io.Writer) error { return page.Execute(w, p) }

func bytesText(n int64) string { return humanize.Bytes(uint64(max(0, n))) }
