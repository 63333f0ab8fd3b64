package usage

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"larder/snapshot"
	"larder/snapshot/ecosystem"
	"larder/snapshot/failpoint"
	"larder/snapshot/journal"
)

// Week is what ended in the week that begins on a Monday, UTC.
type Week struct {
	Start string `json:"week"` // 2026-11-16
	Count
}

// Weeks is all that was ever counted in a store.
type Weeks struct {
	Weeks  []Week `json:"weeks"`  // the oldest first, without those in which nothing ended
	Before Count  `json:"before"` // what ended in weeks that were dropped
}

// Total is all of it.
func (w Weeks) Total() (all Count) {
	all.Add(w.Before)
	for _, week := range w.Weeks {
		all.Add(week.Count)
	}
	return all
}

// Since are the weeks that reach beyond a time, and their sum.
func (w Weeks) Since(t time.Time) (weeks []Week, sum Count) {
	for _, week := range w.Weeks {
		if week.Start >= Monday(t) {
			weeks = append(weeks, week)
			sum.Add(week.Count)
		}
	}
	return weeks, sum
}

// Monday is the day on which the week of a time begins, UTC.
func Monday(t time.Time) string {
	t = t.UTC()
	return t.AddDate(0, 0, -(int(t.Weekday())+6)%7).Format(time.DateOnly)
}

const (
	pendingName = "pending.jsonl"
	weeksName   = "weeks.json"
	weeksFormat = 1

	maxPending = 16 << 20 // 10,000 uses and more; each build and gc folds them
	maxWeeks   = 520
	maxFile    = 8 << 20
)

// file is weeks.json.
type file struct {
	Format int `json:"format"`
	Weeks
	// Folded are the first bytes of the pending lines that are counted already: they were about to be
	// removed when this was written.
	Folded folded `json:"folded"`
}

type folded struct {
	Bytes  int    `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// Append notes a use, to be counted by the next Fold or Load.
func Append(s *snapshot.Store, u Use) error {
	if err := os.MkdirAll(s.UsageDir(), 0o700); err != nil {
		return fmt.Errorf("note use: %w", err)
	}
	return journal.Append(filepath.Join(s.UsageDir(), pendingName), u, maxPending)
}

// Stocks finds what a snapshot stocks; nil where it is gone.
type Stocks func(id snapshot.ID) *Stock

// Load reads what is counted, and counts what is pending, without writing.
func Load(s *snapshot.Store, stocks Stocks) (Weeks, error) {
	f, err := read(s)
	if err != nil {
		return Weeks{}, err
	}
	pending, err := journal.Read(filepath.Join(s.UsageDir(), pendingName), maxPending)
	if err != nil {
		return Weeks{}, fmt.Errorf("read usage: %w", err)
	}
	f.fold(pending, stocks)
	return f.Weeks, nil
}

// Fold counts what is pending into the weeks. It returns the misses that only now show.
func Fold(s *snapshot.Store, stocks Stocks) (missed []Missed, err error) {
	err = journal.Drain(filepath.Join(s.UsageDir(), pendingName), maxPending, func(pending []byte) error {
		f, err := read(s)
		if err != nil {
			return err
		}
		missed = f.fold(pending, stocks)
		sum := sha256.Sum256(pending)
		f.Folded = folded{len(pending), hex.EncodeToString(sum[:])}
		b, err := json.Marshal(f)
		if err != nil {
			return err
		}
		failpoint.Here("usage: counted")
		if err := snapshot.WriteFileDurably(filepath.Join(s.UsageDir(), weeksName), append(b, '\n'), 0o600); err != nil {
			return err
		}
		failpoint.Here("usage: weeks written")
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("count usage: %w", err)
	}
	return missed, nil
}

// Missed is what an instance had installed that its snapshot lacked.
type Missed struct {
	Instance string // a name of its own
	Ended    time.Time
	Misses   []ecosystem.Miss
}

func read(s *snapshot.Store) (f file, err error) {
	path := filepath.Join(s.UsageDir(), weeksName)
	fi, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return file{Format: weeksFormat}, nil
	}
	if err == nil && (!fi.Mode().IsRegular() || fi.Size() > maxFile) {
		err = errors.New("not a file of ours")
	}
	var b []byte
	if err == nil {
		b, err = os.ReadFile(path)
	}
	if err == nil {
		err = json.Unmarshal(b, &f)
	}
	if err == nil && f.Format != weeksFormat {
		err = fmt.Errorf("format %d: of another version of this program", f.Format)
	}
	if err != nil && !errors.Is(err, unix.EACCES) {
		err = fmt.Errorf("%w; to begin anew, remove it", err)
	}
	if err != nil {
		err = fmt.Errorf("read %s: %w", path, err)
	}
	return f, err
}

// fold adds pending lines that are not counted yet.
func (f *file) fold(pending []byte, stocks Stocks) (missed []Missed) {
	if n := f.Folded.Bytes; n > 0 && n <= len(pending) {
		if sum := sha256.Sum256(pending[:n]); hex.EncodeToString(sum[:]) == f.Folded.SHA256 {
			pending = pending[n:]
		}
	}
	counted := map[time.Time]bool{} // an instance that was read again, its reader killed before it said so
	for line := range bytes.Lines(pending) {
		var u Use
		if json.Unmarshal(line, &u) != nil || u.Attached.IsZero() || u.Ended.IsZero() || counted[u.Attached.UTC()] {
			continue
		}
		counted[u.Attached.UTC()] = true
		c, lacked := stocks(u.Snapshot).Count(u)
		f.add(Monday(u.Ended), c)
		if len(lacked) > 0 {
			missed = append(missed, Missed{fmt.Sprintf("use-%d", u.Attached.UnixNano()), u.Ended, lacked})
		}
	}
	return missed
}

func (f *file) add(week string, c Count) {
	at, there := slices.BinarySearchFunc(f.Weeks.Weeks, week, func(w Week, start string) int { return strings.Compare(w.Start, start) })
	if !there {
		f.Weeks.Weeks = slices.Insert(f.Weeks.Weeks, at, Week{Start: week})
	}
	f.Weeks.Weeks[at].Add(c)
	for len(f.Weeks.Weeks) > maxWeeks {
		f.Before.Add(f.Weeks.Weeks[0].Count)
		f.Weeks.Weeks = f.Weeks.Weeks[1:]
	}
}
