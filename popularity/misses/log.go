package misses

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"larder/snapshot/ecosystem"
)

const (
	// maxDayBytes bounds one day's file; maxTenantLines what one tenant may
	// write into it, so that a tenant cannot fill it and silence the others.
	maxDayBytes    = 16 << 20
	maxTenantLines = 2000
	maxLine        = 4096
)

// Report is what one instance missed.
type Report struct {
	Time     time.Time
	Instance string // one container or one run, by any name that is its own
	Tenant   string // who is counted once a day; empty: the instance
	Misses   []ecosystem.Miss
}

// line is one line of a day's file.
type line struct {
	Time     time.Time `json:"time"`
	Instance string    `json:"instance"`
	Tenant   string    `json:"tenant,omitempty"`
	ecosystem.Miss
}

// who is the one a line is counted for.
func (l line) who() string {
	if l.Tenant != "" {
		return "t:" + l.Tenant
	}
	return "i:" + l.Instance
}

// Append writes a report to its day's file in dir, YYYY-MM-DD.jsonl, and
// returns how many of its misses were written: invalid ones and what is over a
// tenant's or the day's bound is left out. Several processes may append at
// once; a report is written whole or not at all, unless the machine dies.
func Append(dir string, r Report) (written int, err error) {
	if r.Instance == "" || len(r.Instance) > 256 || len(r.Tenant) > 256 {
		return 0, errors.New("append misses: a report needs an instance, of at most 256 bytes")
	}
	path := filepath.Join(dir, r.Time.UTC().Format(time.DateOnly)+".jsonl")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return 0, fmt.Errorf("append misses: %w", err)
	}
	defer func() {
		if closeErr := f.Close(); err == nil && closeErr != nil {
			written, err = 0, fmt.Errorf("append misses: %w", closeErr)
		}
	}()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() { // to read a pipe would be to wait
		return 0, fmt.Errorf("append misses to %s: %w", path, errors.Join(err, errors.New("not a file")))
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil { // gone with the descriptor
		return 0, fmt.Errorf("lock %s: %w", path, err)
	}
	before, err := io.ReadAll(io.LimitReader(f, maxDayBytes))
	if err != nil {
		return 0, fmt.Errorf("append misses: %w", err)
	}
	text, written := render(r, before)
	if written == 0 {
		return 0, nil
	}
	if _, err := f.Write(text); err != nil {
		return 0, fmt.Errorf("append misses: %w", err)
	}
	return written, nil
}

// render returns the lines to add behind those of the day so far.
func render(r Report, before []byte) ([]byte, int) {
	head := line{Time: r.Time.UTC().Truncate(time.Second), Instance: r.Instance, Tenant: r.Tenant}
	had := 0
	// A day's lines are many, and mostly of others: only where the name is anywhere are they parsed.
	if who, err := json.Marshal(cmp.Or(r.Tenant, r.Instance)); err == nil && bytes.Contains(before, who) {
		eachLine(before, func(l line) {
			if l.who() == head.who() {
				had++
			}
		})
	}
	var text bytes.Buffer
	if n := len(before); n > 0 && before[n-1] != '\n' {
		text.WriteByte('\n') // a line torn by a crash stays one bad line
	}
	written := 0
	for _, m := range r.Misses {
		m, ok := valid(m)
		if !ok {
			continue
		}
		l := head
		l.Miss = m
		b, err := json.Marshal(l)
		if err != nil || len(b) >= maxLine {
			continue
		}
		if had+written >= maxTenantLines || len(before)+text.Len()+len(b) >= maxDayBytes {
			break
		}
		text.Write(b)
		text.WriteByte('\n')
		written++
	}
	return text.Bytes(), written
}

// eachLine calls do with each whole, valid line and returns how many were not.
func eachLine(data []byte, do func(line)) (bad int) {
	for raw := range bytes.Lines(data) {
		if len(bytes.TrimSpace(raw)) == 0 {
			continue
		}
		var l line
		if len(raw) > maxLine || json.Unmarshal(raw, &l) != nil || l.Instance == "" {
			bad++
			continue
		}
		m, ok := valid(l.Miss)
		if !ok {
			bad++
			continue
		}
		l.Miss = m
		do(l)
	}
	return bad
}
