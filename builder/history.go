package builder

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"larder/snapshot"
)

// Run is what the history of a store says of one build. Its JSON form is a contract.
type Run struct {
	Time      time.Time `json:"time"` // of its end
	Exit      int       `json:"exit"` // of the command; 0 is well, and so is 8: with skips
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

// maxError bounds the message of one run.
const maxError = 1000

// RunOf is the run of a build that began at started and ends now, with an exit code and
// what is to be said of it. The report may be nil.
func RunOf(r *Report, started time.Time, exit int, failure string) Run {
	if len(failure) > maxError {
		failure = strings.ToValidUTF8(failure[:maxError], "") + "…"
	}
	run := Run{Time: time.Now().UTC().Truncate(time.Second), Exit: exit, Error: failure, Seconds: time.Since(started).Seconds()}
	if r == nil {
		return run
	}
	run.Snapshot, run.Published, run.Wheels, run.Layers, run.Objects = r.Snapshot, r.Published, r.Wheels, r.Layers, r.Objects
	run.Bytes, run.Fetched, run.Reused, run.Skipped = r.Bytes, r.FetchedBytes, r.ReusedBytes, len(r.Skipped)
	if r.Budget != nil {
		run.Budget = r.Budget.Budget
	}
	return run
}

// AppendHistory writes one line, whole or not at all unless the machine dies.
// Several may append at once: also the run that found another one busy.
func AppendHistory(s *snapshot.Store, run Run) error {
	return appendRun(s.HistoryPath(), run)
}

func appendRun(path string, run Run) error {
	b, err := json.Marshal(run)
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
		var l Run
		if json.Unmarshal(line, &l) == nil && (l.Exit == 0 || l.Exit == 8) && l.Time.After(at) {
			at = l.Time
		}
	}
	return at
}
