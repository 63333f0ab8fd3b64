package misses

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
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

// deepest bounds the directories below an upper: pip's entries are five deep in
// their cache, site-packages three in a prefix.
const deepest = 12

// Found is what an upper tells.
type Found struct {
	Misses  []Miss // sorted, each once
	Entries int    // directory entries looked at
	Stopped string // which limit ended the scan early; empty when it saw everything
}

// errStop ends a scan at a limit.
var errStop = errors.New("stop")

// scan is one walk over an upper.
type scan struct {
	ctx      context.Context
	limits   Limits
	deadline time.Time
	found    map[Miss]bool
	entries  int
	bytes    int64
	stopped  string
}

// Scan reads what clients left in an upper. The error is about dir itself; what
// is wrong inside it is only passed over.
func Scan(ctx context.Context, dir string, limits Limits) (Found, error) {
	s := newScan(ctx, limits)
	if err := s.upper(dir); err != nil {
		return Found{}, err
	}
	return s.result(), nil
}

func newScan(ctx context.Context, limits Limits) *scan {
	limits = limits.filled()
	return &scan{ctx: ctx, limits: limits, found: map[Miss]bool{}, deadline: time.Now().Add(limits.Time)}
}

// upper adds one upper to the scan. Ending at a limit is no error.
func (s *scan) upper(dir string) error {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open upper %s: %w", dir, err)
	}
	err = s.walk(fd, place{})
	if s.ctx.Err() != nil {
		return s.ctx.Err()
	}
	if err != nil && !errors.Is(err, errStop) {
		return fmt.Errorf("read upper %s: %w", dir, err)
	}
	return nil
}

func (s *scan) result() Found {
	return Found{Misses: sorted(s.found), Entries: s.entries, Stopped: s.stopped}
}

// place is where in an upper a directory is, as far as that says what to look for.
type place struct {
	kind   kind
	depth  int
	parent string // name of the directory
	python string // of the environment above, "3.11"
}

type kind int

const (
	anywhere  kind = iota
	pipHTTP        // below http/ or http-v2/
	pipWheels      // below wheels/
	uvWheels       // below wheels-v*/
	packages       // site-packages/ itself
)

// into tells what the directory name in p is; ok is false for one not worth entering.
func (p place) into(name string) (next place, ok bool) {
	next = place{p.kind, p.depth + 1, name, p.python}
	switch {
	case next.depth > deepest:
		return next, false
	case p.kind == packages:
		return next, false // dist-info is looked at from here
	case p.kind != anywhere:
		return next, true
	}
	switch {
	case name == "http" || name == "http-v2":
		next.kind = pipHTTP
	case name == "wheels":
		next.kind = pipWheels
	case strings.HasPrefix(name, "wheels-v"):
		next.kind = uvWheels
	case name == "site-packages":
		next.kind = packages
	case strings.HasPrefix(name, "python3."):
		next.python = pythonOf("cp3" + strings.TrimPrefix(name, "python3."))
	default:
		// uv's other buckets hold unpacked trees of any size and name nothing.
		for _, bucket := range []string{"archive-v", "sdists-v", "builds-v", "simple-v", "git-v", "environments-v", "interpreter-v"} {
			if strings.HasPrefix(name, bucket) {
				return next, false
			}
		}
	}
	return next, true
}

// walk reads one directory and what is below it, and closes fd. Directories are
// read in pieces and entered as they come, so that one with a million entries
// costs the memory of a piece.
func (s *scan) walk(fd int, p place) error {
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
				if err := s.directory(fd, p, e.Name()); err != nil {
					return err
				}
			case e.Type().IsRegular():
				s.file(fd, p, e.Name())
			}
		}
		if err != nil || len(entries) == 0 {
			return nil // io.EOF, or a directory that cannot be read: what it holds stays unknown
		}
	}
}

func (s *scan) directory(fd int, p place, name string) error {
	if p.kind == packages {
		// python -m venv installs these two from the interpreter's own bundle.
		if m, ok := fromDistInfo(name, p.python); ok && m.Project != "pip" && m.Project != "setuptools" && s.installed(fd, name) {
			s.add(m)
		}
		return nil
	}
	next, ok := p.into(name)
	if !ok {
		return nil
	}
	child, err := openBelow(fd, name, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil
	}
	return s.walk(child, next)
}

// installed tells an installation from the remains of one: a directory copied
// up because one file in it changed, or emptied by an uninstall.
func (s *scan) installed(fd int, name string) bool {
	dir, err := openBelow(fd, name, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return false
	}
	defer unix.Close(dir)
	regular := func(file string) bool {
		var st unix.Stat_t
		return unix.Fstatat(dir, file, &st, unix.AT_SYMLINK_NOFOLLOW) == nil && st.Mode&unix.S_IFMT == unix.S_IFREG
	}
	return regular("METADATA") && !regular("direct_url.json")
}

func (s *scan) file(fd int, p place, name string) {
	var m Miss
	ok := false
	switch p.kind {
	case pipHTTP:
		if len(name) == 56 && strings.Trim(name, "0123456789abcdef") == "" {
			m, ok = s.entry(fd, name)
		}
	case pipWheels:
		m, ok = fromWheel(name, Built)
	case uvWheels:
		m, ok = fromUV(p.parent, name)
	}
	if ok {
		s.add(m)
	}
}

// entry reads one of pip's cache entries, and the first bytes of its body to
// tell an archive from metadata.
func (s *scan) entry(fd int, name string) (Miss, bool) {
	f, size, err := openRegular(fd, name)
	if err != nil {
		return Miss{}, false
	}
	defer f.Close()
	counted := &counter{ReaderAt: f, n: &s.bytes}
	e, err := readEntry(counted, size)
	if err != nil {
		return Miss{}, false
	}
	m, ok := fromHeaders(e.headers)
	if !ok {
		return Miss{}, false
	}
	if len(e.body) == 0 {
		body, _, err := openRegular(fd, name+".body")
		if err != nil {
			return Miss{}, false
		}
		defer body.Close()
		e.body = make([]byte, 4)
		n, _ := io.ReadFull(io.NewSectionReader(body, 0, 4), e.body)
		e.body = e.body[:n]
	}
	return m, archive(e.body)
}

func (s *scan) add(m Miss) {
	if len(s.found) < s.limits.Names {
		s.found[m] = true
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
