// Package sdist reads source archives as hostile input.
//
// A source archive (the source distribution format of PyPA's specifications; PEP 517 and 518) is a
// .tar.gz, in older times also a .tar.bz2 or .zip, with one directory at its top. Read looks at every
// header, and at the content of pyproject.toml alone, all of it bounded; the kind is told by the bytes,
// not by the file's name. Nothing is unpacked here and nothing is run.
//
// Refused are archives that would be unpacked in different ways by different programs, or outside of
// their own directory: absolute names, "..", links that leave it, devices, several directories at the
// top.
package sdist

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"larder/builder/memory"
)

// ErrSource is what every error about an archive's content is.
var ErrSource = errors.New("no sound source archive")

// Source is what an archive says of how it is built.
type Source struct {
	Top string // the directory at its top
	System
}

// Bounds of an archive. The largest of the index unpack to about 1 GiB.
const (
	maxEntries  = 200_000
	maxUnpacked = 4 << 30
	maxName     = 1024
	maxProject  = 256 << 10 // of pyproject.toml; its parser goes down as deep as brackets nest
	maxZip      = 256 << 20 // a zip's directory is read as a whole, and may be all of it
)

// perZip is what reading a zip's directory takes for each byte of it: an entry of 46 bytes at least becomes
// some 350.
const perZip = 8

// Read reads the archive in the size bytes of r. Errors are ErrSource, the context's or r's own.
func Read(ctx context.Context, r io.ReaderAt, size int64) (*Source, error) {
	s := &scan{ctx: ctx}
	if err := s.archive(io.NewSectionReader(r, 0, size), size); err != nil {
		return nil, err
	}
	switch {
	case s.top == "":
		return nil, bad("has no files")
	case s.project == nil && !s.setup:
		return nil, bad("has neither pyproject.toml nor setup.py")
	}
	system, err := parseSystem(s.project)
	if err != nil {
		return nil, err
	}
	return &Source{s.top, system}, nil
}

func bad(format string, args ...any) error {
	return fmt.Errorf("%w: it %w", ErrSource, fmt.Errorf(format, args...))
}

// scan is the state of one Read.
type scan struct {
	ctx      context.Context
	top      string
	entries  int
	unpacked int64
	project  []byte // pyproject.toml, nil when there is none
	setup    bool   // there is a setup.py
}

// kind is what an entry is.
type kind int

const (
	file kind = iota
	dir
	link // its target is relative to its own directory
	hard // its target is relative to the top of the archive
	other
)

// entry is what a header says.
type entry struct {
	name, target string
	kind         kind
	size         int64
	open         func() (io.Reader, error)
}

// add takes one entry. Of several with one name the last counts, as for every unpacker.
func (s *scan) add(e entry) error {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	s.entries++
	if s.unpacked += max(e.size, 0); s.entries > maxEntries || e.size > maxUnpacked || s.unpacked > maxUnpacked {
		return bad("has more than %d entries or %d bytes", maxEntries, int64(maxUnpacked))
	}
	name, err := s.place(e)
	if err != nil || name == "." { // some tools write an entry for the top
		return err
	}
	top, below, _ := strings.Cut(name, "/")
	switch {
	case s.top == "":
		s.top = top
	case s.top != top:
		return bad("has two directories at its top, %.100q and %.100q", s.top, top)
	}
	switch below {
	case "":
		if e.kind != dir {
			return bad("has %.100q at its top, which is no directory", name)
		}
	case "setup.py":
		s.setup = true
	case "pyproject.toml":
		return s.readProject(e)
	}
	return nil
}

// place is an entry's name, cleaned, when it and what it points to are inside.
func (s *scan) place(e entry) (string, error) {
	name := path.Clean(e.name)
	switch {
	case e.name == "" || len(e.name) > maxName || strings.Contains(e.name, "\x00"):
		return "", bad("has an entry with the name %.100q", e.name)
	case outside(e.name):
		return "", bad("would be unpacked outside of its directory: %.100q", e.name)
	case e.kind == other:
		return "", bad("has a device, socket or FIFO: %.100q", e.name)
	}
	target := e.target
	if e.kind == link && !path.IsAbs(target) {
		target = path.Join(path.Dir(name), target)
	}
	top, _, _ := strings.Cut(name, "/")
	if (e.kind == link || e.kind == hard) && (path.IsAbs(target) || target == "" || !strings.HasPrefix(path.Clean(target)+"/", top+"/")) {
		return "", bad("has a link that leaves its directory: %.100q to %.100q", e.name, e.target)
	}
	return name, nil
}

// outside says whether a name is absolute or goes up, even when it comes back.
func outside(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return true
		}
	}
	return path.IsAbs(name)
}

func (s *scan) readProject(e entry) error {
	if e.kind != file || e.size > maxProject {
		return bad("has a pyproject.toml that is no file of at most %d bytes", maxProject)
	}
	r, err := e.open()
	if err != nil {
		return bad("cannot be unpacked: %w", err)
	}
	b, err := io.ReadAll(io.LimitReader(r, maxProject+1))
	if err != nil {
		return bad("cannot be unpacked: %w", err)
	}
	if len(b) > maxProject {
		return bad("has a pyproject.toml that is no file of at most %d bytes", maxProject)
	}
	s.project = append([]byte{}, b...) // not nil
	return nil
}

// zip reads a zip archive's directory.
func (s *scan) zip(r io.ReaderAt, size int64) error {
	if size > maxZip {
		return bad("is a zip archive of more than %d bytes", maxZip)
	}
	giveBack, err := memory.TakeReader(s.ctx, perZip*size)
	if err != nil {
		return err
	}
	defer giveBack()
	z, err := zip.NewReader(r, size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return bad("is no zip archive that can be read: %w", err)
	}
	for _, f := range z.File {
		e := entry{name: f.Name, size: int64(min(f.UncompressedSize64, maxUnpacked+1)), open: func() (io.Reader, error) { return f.Open() }}
		if strings.HasSuffix(f.Name, "/") {
			e.kind = dir // whatever its mode says: Python's zipfile goes by the name
		}
		if strings.Contains(f.Name, `\`) {
			return bad("has a backslash in a name: %.100q", f.Name)
		}
		if err := s.add(e); err != nil {
			return err
		}
	}
	return nil
}
