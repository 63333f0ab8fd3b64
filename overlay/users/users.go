// Package users tells who uses the snapshots of a store: containers, commands of larder run, and kept
// instances, each with what it got and what it has written.
//
// It goes by leases, and by the notes that an attach leaves in an instance. It changes nothing. What a
// container has written is measured within bounds, by the blocks of its files; it may change
// meanwhile, and links and mounts in it are not followed.
package users

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"larder/overlay"
	"larder/snapshot"
)

// The kinds of users, and their states.
const (
	Container = "container"
	Command   = "command"
	Kept      = "kept" // an instance of larder run --instance

	Running    = "running"    // or nothing proves that it is not
	Stopped    = "stopped"    // its engine can start it again, with what it wrote
	Dead       = "dead"       // larder gc takes what it left
	Idle       = "idle"       // a kept instance that nobody runs on
	Unreadable = "unreadable" // its lease cannot be read: it holds every snapshot
)

// User is one of them.
type User struct {
	Name     string             `json:"name"` // a container's id
	Kind     string             `json:"kind,omitempty"`
	State    string             `json:"state"`
	Reason   string             `json:"reason,omitempty"` // why it is dead, or unreadable
	PID      int                `json:"pid,omitempty"`
	Since    time.Time          `json:"since,omitzero"`
	Snapshot string             `json:"snapshot,omitempty"`
	Profile  string             `json:"profile,omitempty"`
	View     string             `json:"view,omitempty"`
	Mounts   []snapshot.Mounted `json:"mounts"`
	Instance string             `json:"instance"` // its directory

	UpperBytes int64 `json:"upper_bytes"` // on disk
	UpperWhole bool  `json:"upper_whole"` // false: there is more, which was not looked at in time
}

// Limits bound what is measured of one user. Zero fields are the defaults.
type Limits struct {
	Entries int           // 100,000
	Time    time.Duration // 200 ms
}

// List are the users of a store, in no order.
func List(ctx context.Context, s *snapshot.Store, limits Limits) ([]User, error) {
	leases, err := s.Leases()
	if err != nil {
		return nil, err
	}
	if limits.Entries == 0 {
		limits.Entries = 100_000
	}
	if limits.Time == 0 {
		limits.Time = 200 * time.Millisecond
	}
	users := make([]User, 0, len(leases))
	for _, l := range leases {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		users = append(users, userOf(s, l, limits))
	}
	return users, nil
}

func userOf(s *snapshot.Store, l snapshot.Lease, limits Limits) User {
	u := User{Name: l.Container, PID: l.PID, Since: l.Time, Instance: l.Instance, Mounts: []snapshot.Mounted{}}
	if l.Unreadable != nil {
		u.Name, u.State, u.Reason = l.File, Unreadable, l.Unreadable.Error()
		return u
	}
	u.Snapshot = l.Snapshot.String()
	u.Kind, u.State = kindOf(l), Running
	switch dead, why := l.Dead(); {
	case dead:
		u.State, u.Reason = Dead, why
	case l.Engine != nil:
		if ended, why := l.Ended(); ended {
			u.State, u.Reason = Stopped, why+", and "+l.Engine.Engine+" can start it again"
		}
	case u.Kind == Kept:
		if locked, err := snapshot.InstanceLocked(l.Instance); err == nil && !locked {
			u.State = Idle
		}
	}
	if u.Instance == "" {
		u.Instance = s.InstanceDir(l.Holder())
	}
	if note, err := snapshot.ReadAttached(u.Instance); err == nil && note.Snapshot == l.Snapshot {
		u.Profile, u.View, u.Mounts = note.Profile, note.View, append(u.Mounts, note.Mounts...)
	}
	u.UpperBytes, u.UpperWhole = written(u.Instance, limits)
	return u
}

func kindOf(l snapshot.Lease) string {
	switch {
	case l.PID == 0:
		return Kept
	case l.Bundle != "":
		return Container
	}
	return Command
}

// written are the bytes that the uppers of an instance take on disk, and whether that is all.
func written(dir string, limits Limits) (int64, bool) {
	m := measure{left: limits.Entries, end: time.Now().Add(limits.Time), seen: map[uint64]bool{}}
	entries, err := os.ReadDir(dir)
	whole := err == nil || errors.Is(err, fs.ErrNotExist)
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		fd, err := unix.Open(filepath.Join(dir, e.Name(), "u"), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if errors.Is(err, unix.ENOENT) {
			continue
		}
		if err != nil {
			whole = false
			continue
		}
		whole = m.below(os.NewFile(uintptr(fd), fmt.Sprintf("/proc/self/fd/%d", fd)), deepest) && whole
	}
	return m.bytes, whole
}

// deepest bounds the directories that are open at once.
const deepest = 100

// measure adds up blocks.
type measure struct {
	bytes int64
	left  int // entries
	end   time.Time
	seen  map[uint64]bool // inodes with several names
}

// below adds what is in a directory, and closes it. It says whether that was all.
func (m *measure) below(dir *os.File, depth int) bool {
	defer dir.Close()
	for {
		entries, err := dir.ReadDir(256)
		for _, e := range entries {
			if m.left--; m.left < 0 || depth == 0 || time.Now().After(m.end) {
				return false
			}
			if !m.entry(dir, e.Name(), depth) {
				return false
			}
		}
		if err != nil {
			return err == io.EOF
		}
	}
}

func (m *measure) entry(dir *os.File, name string, depth int) bool {
	var st unix.Stat_t
	if err := unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return errors.Is(err, unix.ENOENT) // removed meanwhile
	}
	if st.Nlink > 1 && st.Mode&unix.S_IFMT != unix.S_IFDIR {
		if m.seen[st.Ino] {
			return true
		}
		m.seen[st.Ino] = true
	}
	m.bytes += st.Blocks * 512
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return true
	}
	sub, err := overlay.OpenAt(dir, name, unix.OpenHow{Flags: unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW, Resolve: overlay.Below})
	if err != nil {
		return errors.Is(err, unix.ENOENT)
	}
	return m.below(sub, depth-1)
}
