package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"larder/builder"
	"larder/cmd/internal/config"
	"larder/snapshot"
)

// historyLine is what history.jsonl in the store says of one build.
type historyLine struct {
	Time      time.Time `json:"time"` // of its end
	Exit      int       `json:"exit"`
	Error     string    `json:"error,omitempty"`
	Seconds   float64   `json:"seconds"`
	Snapshot  string    `json:"snapshot,omitempty"` // empty when nothing was published or kept
	Published bool      `json:"published"`
	Wheels    int       `json:"wheels"`
	Layers    int       `json:"layers"`
	Objects   int       `json:"objects"`
	Bytes     int64     `json:"bytes"`
	Fetched   int64     `json:"fetched_bytes"`
	Reused    int64     `json:"reused_bytes"`
	Skipped   int       `json:"skipped"`
	Budget    int64     `json:"budget,omitempty"`
}

// maxHistory bounds the file: some 2,500 runs. The older half goes when it is full.
const maxHistory = 1 << 20

func historyPath(s *snapshot.Store) string { return s.HistoryPath() }

// historyOf makes the line of a build that ended with err.
func historyOf(r *builder.Report, err error, started time.Time) historyLine {
	l := historyLine{Time: time.Now().UTC().Truncate(time.Second), Exit: exitCode(err), Seconds: time.Since(started).Seconds()}
	if err != nil && l.Exit != exitSkips {
		l.Error = printable(err.Error())
		if len(l.Error) > 1000 {
			l.Error = strings.ToValidUTF8(l.Error[:1000], "") + "…"
		}
	}
	if r != nil {
		l.Snapshot, l.Published, l.Wheels, l.Layers, l.Objects = r.Snapshot, r.Published, r.Wheels, r.Layers, r.Objects
		l.Bytes, l.Fetched, l.Reused, l.Skipped = r.Bytes, r.FetchedBytes, r.ReusedBytes, len(r.Skipped)
		if r.Budget != nil {
			l.Budget = r.Budget.Budget
		}
	}
	return l
}

// appendHistory writes one line, whole or not at all unless the machine dies.
// Several may append at once: also the run that found another one busy.
func appendHistory(path string, l historyLine) error {
	b, err := json.Marshal(l)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return fmt.Errorf("append history: %w", err)
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil { // gone with the descriptor
		return fmt.Errorf("lock %s: %w", path, err)
	}
	if err := trimHistory(f); err != nil {
		return fmt.Errorf("trim history: %w", err)
	}
	torn, err := tornLine(f)
	if err != nil {
		return fmt.Errorf("append history: %w", err)
	}
	if torn {
		b = append([]byte{'\n'}, b...) // it stays one bad line, and this one is its own
	}
	if _, err := f.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("append history: %w", err)
	}
	return nil
}

// tornLine says whether a file ends within a line, as a full disk or a crash leaves it.
func tornLine(f *os.File) (bool, error) {
	st, err := f.Stat()
	if err != nil || st.Size() == 0 {
		return false, err
	}
	var last [1]byte
	_, err = f.ReadAt(last[:], st.Size()-1)
	return last[0] != '\n', err
}

// trimHistory drops the older half of a full file. In place: whoever waits for the
// lock has this very file open. A crash in between costs history, nothing else.
func trimHistory(f *os.File) error {
	st, err := f.Stat()
	if err != nil || st.Size() < maxHistory {
		return err
	}
	half := make([]byte, maxHistory/2)
	n, err := f.ReadAt(half, st.Size()-int64(len(half)))
	if err != nil && err != io.EOF {
		return err
	}
	_, whole, _ := bytes.Cut(half[:n], []byte("\n"))
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err = f.Write(whole)
	return err
}

// lastSuccess is when a build last ended well, by the history; zero for never.
func lastSuccess(path string) (at time.Time) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return at
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 2*maxHistory))
	if err != nil {
		return at
	}
	for line := range bytes.Lines(b) {
		var l historyLine
		if json.Unmarshal(line, &l) == nil && (l.Exit == exitOK || l.Exit == exitSkips) && l.Time.After(at) {
			at = l.Time
		}
	}
	return at
}

// metricsText is the state after a build in the text format of Prometheus, for
// the textfile collector of its node exporter.
func metricsText(l historyLine, success time.Time) string {
	var b strings.Builder
	gauge := func(name, help string, value float64) {
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s gauge\n%s %v\n", name, help, name, name, value)
	}
	gauge("larder_build_last_run_timestamp_seconds", "When the last build ended.", float64(l.Time.Unix()))
	if !success.IsZero() {
		gauge("larder_build_last_success_timestamp_seconds", "When a build last ended well, skips allowed.", float64(success.Unix()))
	}
	gauge("larder_build_exit_code", "Exit code of the last build: 0 and 8 are well.", float64(l.Exit))
	gauge("larder_build_duration_seconds", "How long the last build took.", l.Seconds)
	gauge("larder_build_fetched_bytes", "Bytes of wheels the last build downloaded.", float64(l.Fetched))
	gauge("larder_build_reused_bytes", "Bytes of wheels the last build had already.", float64(l.Reused))
	gauge("larder_build_skipped_projects", "Ranked projects the last build could not have.", float64(l.Skipped))
	if l.Snapshot != "" {
		gauge("larder_snapshot_wheels", "Wheels in the snapshot of the last build.", float64(l.Wheels))
		gauge("larder_snapshot_layers", "Layers in the snapshot of the last build.", float64(l.Layers))
		gauge("larder_snapshot_files", "Distinct files in the snapshot of the last build.", float64(l.Objects))
		gauge("larder_snapshot_bytes", "Bytes of the distinct files in the snapshot of the last build.", float64(l.Bytes))
	}
	return b.String()
}

// metricsFile is where the metrics go: the flag, else the configuration; "" nowhere.
func metricsFile(c *cli.Context, cfg config.Config) string {
	if c.IsSet("metrics") {
		return c.String("metrics")
	}
	return cfg.Metrics
}

// noteBuild appends a build to the history and writes the metrics. What goes wrong
// with it is a warning: the build is what it is.
func noteBuild(s *snapshot.Store, metrics string, l historyLine) {
	path := historyPath(s)
	if err := appendHistory(path, l); err != nil {
		warnf("%v", err)
	}
	if metrics == "" {
		return
	}
	// Readable by the collector, which is not root; it reads files that are named
	// *.prom and whole, so one rename puts it in place.
	if err := writeWhole(metrics, []byte(metricsText(l, lastSuccess(path))), 0o644); err != nil {
		warnf("write metrics: %v", err)
	}
}
