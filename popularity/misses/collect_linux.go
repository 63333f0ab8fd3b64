package misses

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Collected is what a collection did.
type Collected struct {
	Instances int      `json:"instances"` // parked ones that were read
	Misses    int      `json:"misses"`    // lines written
	Notes     []string `json:"notes"`     // what was stopped at a limit or could not be read
}

// maxParked bounds the instances of one collection; what is left over is gone
// when its owner empties the place they are parked in. Misses are a sample.
const maxParked = 1000

const (
	batch     = 256 // entries of a directory read at a time
	maxMounts = 100 // of one instance; a profile has a handful
)

// readMark is a file in an instance that was read.
const readMark = "misses-read"

// Seen is told what an instance that was read tells, before it is marked: the time to count it.
type Seen func(dir string, found Found)

// ReadInstance reads an instance, marked or not, and neither marks nor writes: it may be in use. ok is
// false for a directory that holds no upper.
func ReadInstance(ctx context.Context, dir string, limits Limits) (found Found, ok bool, err error) {
	return scanInstance(ctx, dir, limits)
}

// Collect reads every instance parked in a directory (an instance holds, for
// each of its mounts, a directory with its upper, u) and appends what each
// missed to the day's file in log, which is made if need be. The limits are
// those of one instance; all together may take ten times its time.
//
// What is parked stays there: removing it is its owner's. An instance that was
// read gets a mark beside its mounts, where its container never was, and is not
// read again under whatever name it is found later.
func Collect(ctx context.Context, parked, log string, now time.Time, limits Limits, seen Seen) (Collected, error) {
	c := Collected{Notes: []string{}}
	limits = limits.filled()
	end := time.Now().Add(10 * limits.Time)
	dir, err := os.OpenFile(parked, os.O_RDONLY|unix.O_DIRECTORY, 0) // never a pipe, which would wait
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return c, fmt.Errorf("read parked instances: %w", err)
	}
	defer dir.Close()
	for {
		entries, err := dir.ReadDir(batch)
		for _, e := range entries {
			// What is being removed has a name with a dot: it was read under its own.
			if !e.IsDir() || strings.HasPrefix(e.Name(), ".") {
				continue
			}
			if c.Instances == maxParked || time.Now().After(end) {
				c.Notes = append(c.Notes, fmt.Sprintf("stopped after %d instances: the others are not read", c.Instances))
				return c, nil
			}
			one, err := CollectInstance(ctx, filepath.Join(parked, e.Name()), e.Name(), log, now, limits, seen)
			c.Instances += one.Instances
			c.Misses += one.Misses
			c.Notes = append(c.Notes, one.Notes...)
			if err != nil {
				return c, err
			}
		}
		if errors.Is(err, io.EOF) {
			return c, nil
		}
		if err != nil {
			return c, fmt.Errorf("read parked instances: %w", err)
		}
	}
}

// CollectInstance reads one instance, which nobody may be using any more, and
// appends what it missed to the day's file in log under the name it is known by.
func CollectInstance(ctx context.Context, dir, name, log string, now time.Time, limits Limits, seen Seen) (Collected, error) {
	c := Collected{Notes: []string{}}
	var st unix.Stat_t
	if unix.Lstat(filepath.Join(dir, readMark), &st) == nil {
		return c, nil
	}
	found, ok, err := scanInstance(ctx, dir, limits)
	if ctx.Err() != nil {
		return c, ctx.Err()
	}
	if err != nil {
		c.Notes = append(c.Notes, err.Error())
	}
	if !ok {
		return c, nil
	}
	c.Instances = 1
	if found.Stopped != "" {
		c.Notes = append(c.Notes, name+": "+found.Stopped)
	}
	if len(found.Misses) > 0 {
		if err := os.MkdirAll(log, 0o700); err != nil {
			return c, fmt.Errorf("append misses: %w", err)
		}
		if c.Misses, err = Append(log, Report{Time: now, Instance: name, Misses: found.Misses}); err != nil {
			return c, err
		}
	}
	if seen != nil {
		seen(dir, found)
	}
	// Marked after the lines are written: killed in between, an instance is read
	// twice under one name, which counts once. A mark that cannot be made costs
	// no more than that either.
	fd, err := unix.Open(filepath.Join(dir, readMark), unix.O_CREAT|unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err == nil {
		_ = unix.Close(fd)
	}
	return c, nil
}

// scanInstance scans the uppers of an instance within one set of limits; ok is
// false for a directory that holds none.
func scanInstance(ctx context.Context, dir string, limits Limits) (all Found, ok bool, err error) {
	f, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return Found{}, false, nil // emptied meanwhile
	}
	if err != nil {
		return Found{}, false, fmt.Errorf("read parked instance: %w", err)
	}
	mounts, err := f.ReadDir(maxMounts)
	f.Close()
	if err != nil && !errors.Is(err, io.EOF) {
		return Found{}, false, fmt.Errorf("read parked instance: %w", err)
	}
	s := newScan(ctx, limits)
	for _, m := range mounts {
		upper := filepath.Join(dir, m.Name(), "u")
		var st unix.Stat_t
		if !m.IsDir() || unix.Lstat(upper, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR {
			continue
		}
		ok = true
		if err := s.upper(m.Name(), upper); errors.Is(err, fs.ErrNotExist) {
			continue // emptied meanwhile
		} else if err != nil {
			return Found{}, false, err
		}
		if s.stopped != "" {
			break
		}
	}
	return s.result(), ok, nil
}
