package builder

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"larder/snapshot"
	"larder/snapshot/journal"
)

// Run is what the history of a store says of one build, or of another command that changed what is
// stocked. Its JSON form is a contract.
type Run struct {
	Time      time.Time `json:"time"`    // of its end
	Command   string    `json:"command"` // "build", also in lines without
	Exit      int       `json:"exit"`    // of the command; 0 is well, and so is 8: with skips
	Error     string    `json:"error,omitempty"`
	Seconds   float64   `json:"seconds"`
	Snapshot  string    `json:"snapshot,omitempty"` // empty when nothing was published or kept
	Published bool      `json:"published"`
	Current   bool      `json:"current"` // it is what containers get
	Wheels    int       `json:"wheels"`
	Layers    int       `json:"layers"`
	Objects   int       `json:"objects"`
	Bytes     int64     `json:"bytes"`
	Fetched   int64     `json:"fetched_bytes"`
	Reused    int64     `json:"reused_bytes"`
	Skipped   int       `json:"skipped"`
	Budget    int64     `json:"budget,omitempty"` // of all ecosystems
	Skips     []Skip    `json:"skips,omitempty"`  // the first of Skipped, and why
	Detail    string    `json:"detail,omitempty"` // what another command did, in words
}

// buildCommand is the Command of a build.
const buildCommand = "build"

// maxHistory bounds the file: some 2,500 runs without a skip. The older half goes when it is full.
const maxHistory = 1 << 20

// The bounds of one run: its message, and the skips that are told one by one.
const (
	maxError  = 1000
	maxReason = 200
	maxSkips  = 20
)

// RunOf is the run of a build that began at started and ends now, with an exit code and
// what is to be said of it. The report may be nil.
func RunOf(r *Report, started time.Time, exit int, failure string) Run {
	run := Run{Command: buildCommand, Time: time.Now().UTC().Truncate(time.Second), Exit: exit, Error: clip(failure, maxError), Seconds: time.Since(started).Seconds()}
	if r == nil {
		return run
	}
	run.Current = r.Current
	run.Snapshot, run.Published, run.Wheels, run.Layers, run.Objects = r.Snapshot, r.Published, r.Wheels, r.Layers, r.Objects
	run.Bytes, run.Fetched, run.Reused, run.Skipped = r.Bytes, r.FetchedBytes, r.ReusedBytes, len(r.Skipped)
	if r.Budget != nil {
		run.Budget = r.Budget.Budget
	}
	for _, b := range r.Budgets {
		run.Budget += b.Budget
	}
	for _, skip := range r.Skipped[:min(len(r.Skipped), maxSkips)] {
		skip.Reason = clip(skip.Reason, maxReason)
		run.Skips = append(run.Skips, skip)
	}
	return run
}

func clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// AppendHistory writes one line. Several may append at once: also the run that found another busy.
func AppendHistory(s *snapshot.Store, run Run) error {
	if err := journal.Append(s.HistoryPath(), run, maxHistory); err != nil {
		return fmt.Errorf("append history: %w", err)
	}
	return nil
}

// History is what the history says, the newest first. A store that was never built into has none.
func History(s *snapshot.Store) ([]Run, error) {
	b, err := journal.Read(s.HistoryPath(), maxHistory)
	if err != nil {
		return nil, fmt.Errorf("read history: %w", err)
	}
	runs := []Run{}
	for line := range bytes.Lines(b) {
		var r Run
		if json.Unmarshal(line, &r) != nil || r.Time.IsZero() {
			continue // torn
		}
		if r.Command == "" {
			r.Command = buildCommand
		}
		runs = append(runs, r)
	}
	slices.Reverse(runs)
	return runs, nil
}

// LastBuild is the newest build of a history and when one last ended well; zero for none.
func LastBuild(history []Run) (last Run, success time.Time) {
	for _, r := range history {
		if r.Command != buildCommand {
			continue
		}
		if last.Time.IsZero() {
			last = r
		}
		if (r.Exit == 0 || r.Exit == 8) && r.Time.After(success) {
			success = r.Time
		}
	}
	return last, success
}
