package misses

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"larder/snapshot/ecosystem"
)

// Limits bound one scan. Zero fields are the defaults.
type Limits struct {
	Entries int           // directory entries looked at: 300,000
	Bytes   int64         // file bytes read: 64 MiB
	Names   int           // misses found: 1,000
	Time    time.Duration // 5 s
}

func (l Limits) filled() Limits {
	if l.Entries == 0 {
		l.Entries = 300_000
	}
	if l.Bytes == 0 {
		l.Bytes = 64 << 20
	}
	if l.Names == 0 {
		l.Names = 1000
	}
	if l.Time == 0 {
		l.Time = 5 * time.Second
	}
	return l
}

// deepest bounds the directories below an upper: a cache's entries are five deep in it,
// an environment's packages three.
const deepest = 12

// Found is what an upper tells.
type Found struct {
	Misses  []ecosystem.Miss // sorted, each once
	Parts   []Part           // what each upper tells, in the order they were read
	Entries int              // directory entries looked at
	Stopped string           // which limit ended the scan early; empty when it saw everything
}

// Part is what the upper of one mount tells.
type Part struct {
	Name   string           // of the mount in its instance, "" of a lone upper
	Misses []ecosystem.Miss // sorted, each once
	Asked  []string         // keys of answers that indexes gave, sorted; at most as many as names
}

// errStop ends a scan at a limit.
var errStop = errors.New("stop")

// scan is one walk over an upper.
type scan struct {
	ctx      context.Context
	limits   Limits
	deadline time.Time
	found    map[ecosystem.Miss]bool
	parts    []*part
	top      int // the upper that is read
	entries  int
	bytes    int64
	stopped  string
}

// Scan reads what clients left in an upper. The error is about dir itself; what
// is wrong inside it is only passed over.
func Scan(ctx context.Context, dir string, limits Limits) (Found, error) {
	s := newScan(ctx, limits)
	if err := s.upper("", dir); err != nil {
		return Found{}, err
	}
	return s.result(), nil
}

func newScan(ctx context.Context, limits Limits) *scan {
	limits = limits.filled()
	return &scan{ctx: ctx, limits: limits, found: map[ecosystem.Miss]bool{}, deadline: time.Now().Add(limits.Time)}
}

// part is what was found in one upper so far.
type part struct {
	name  string
	found map[ecosystem.Miss]bool
	asked map[string]bool
}

// upper adds one upper to the scan. Ending at a limit is no error.
func (s *scan) upper(name, dir string) error {
	s.parts = append(s.parts, &part{name, map[ecosystem.Miss]bool{}, map[string]bool{}})
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open upper %s: %w", dir, err)
	}
	defer unix.Close(fd)
	s.top = fd
	for _, e := range readersOf(name) {
		top, err := unix.Openat(fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err == nil {
			err = s.walk(top, e.Leftovers, nil)
		}
		if s.ctx.Err() != nil {
			return s.ctx.Err()
		}
		if errors.Is(err, errStop) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read upper %s: %w", dir, err)
		}
	}
	return nil
}

// readersOf are the ecosystems that read the upper of a mount: that of the client whose cache it is; of what is
// no client's, all but those that have caches alone.
func readersOf(mount string) []ecosystem.Ecosystem {
	all := ecosystem.All()
	at := slices.IndexFunc(all, func(e ecosystem.Ecosystem) bool {
		return slices.ContainsFunc(e.Clients, func(c ecosystem.Client) bool { return c.Name == mount })
	})
	if at >= 0 {
		all = all[at : at+1]
	}
	return slices.DeleteFunc(all, func(e ecosystem.Ecosystem) bool {
		return e.Leftovers == nil || at < 0 && mount != "" && len(e.Clients) > 0 && e.Environments == nil
	})
}

func (s *scan) result() Found {
	f := Found{Misses: sorted(s.found), Entries: s.entries, Stopped: s.stopped}
	for _, p := range s.parts {
		f.Parts = append(f.Parts, Part{p.name, sorted(p.found), slices.Sorted(maps.Keys(p.asked))})
	}
	return f
}

// walk reads for one ecosystem one directory and what is below it, and closes fd. Directories are
// read in pieces and entered as they come, so that one with a million entries
// costs the memory of a piece.
func (s *scan) walk(fd int, of ecosystem.Leftovers, path []string) error {
	// The name is what ReadDir would ask for the type of an entry where the
	// file system does not say it: never a path that could be swapped.
	dir := os.NewFile(uintptr(fd), fmt.Sprintf("/proc/self/fd/%d", fd))
	defer dir.Close()
	for {
		entries, err := dir.ReadDir(batch)
		for _, e := range entries {
			if err := s.spend(); err != nil {
				return err
			}
			switch {
			case e.IsDir():
				if err := s.directory(fd, of, path, e.Name()); err != nil {
					return err
				}
			case e.Type().IsRegular():
				s.look(fd, of, path, e.Name(), false)
			}
		}
		if err != nil || len(entries) == 0 {
			return nil // io.EOF, or a directory that cannot be read: what it holds stays unknown
		}
	}
}

// directory looks at a directory, and at what is below it.
func (s *scan) directory(fd int, of ecosystem.Leftovers, path []string, name string) error {
	s.look(fd, of, path, name, true)
	path = append(slices.Clip(path), name)
	if len(path) > deepest || !of.Enter(path) {
		return nil
	}
	child, err := openBelow(fd, name, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil
	}
	return s.walk(child, of, path)
}

func (s *scan) look(fd int, of ecosystem.Leftovers, path []string, name string, isDir bool) {
	m, found := of.Look(dir{s, s.top, fd}, path, name, isDir)
	key, asked := "", false
	if !isDir {
		key, asked = of.Asked(path, name)
		if (found || asked) && copiedUp(fd, name) {
			return
		}
	}
	if found {
		if m, found = valid(m); found {
			s.add(m)
		}
	}
	if all := s.parts[len(s.parts)-1].asked; asked && len(all) < s.limits.Names {
		all[key] = true
	}
}

func (s *scan) add(m ecosystem.Miss) {
	if len(s.found) < s.limits.Names {
		s.found[m] = true
		s.parts[len(s.parts)-1].found[m] = true
	} else if !s.found[m] {
		s.stopped = fmt.Sprintf("more than %d names", s.limits.Names)
	}
}

// spend counts one entry and says when a limit is reached. The clock is cheap
// beside the system calls an entry costs.
func (s *scan) spend() error {
	if s.entries++; s.entries > s.limits.Entries {
		s.stopped = fmt.Sprintf("more than %d entries", s.limits.Entries)
	}
	if s.bytes > s.limits.Bytes {
		s.stopped = fmt.Sprintf("more than %d bytes to read", s.limits.Bytes)
	}
	if time.Now().After(s.deadline) {
		s.stopped = fmt.Sprintf("it took more than %v", s.limits.Time)
	}
	if s.stopped != "" || s.ctx.Err() != nil {
		return errStop
	}
	return nil
}
