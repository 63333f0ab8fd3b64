package lock

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"larder/snapshot"
	"larder/snapshot/pypi/pep440"
)

// Lock is what a lock file, or several together, pin for one environment.
type Lock struct {
	Pins    []Pin    // sorted by name, one for each project
	LeftOut []string // the user's own source trees, which are not installed; sorted names
}

// Pin is one project at one version.
type Pin struct {
	Name      string   // normalised
	Version   string   // normalised, as the lock writes it: "1.0.0" stays apart from "1.0"
	Hashes    []string // hex SHA-256 of files that may be used, sorted; empty: any file of the version
	Sources   []string // likewise, of those that a wheel may be built from: none where Hashes are, if the lock lists no sdist
	SdistOnly bool     // the lock lists files, and none is a wheel
	File      string   // where it stands, for messages
	Line      int      // 0 when not known
}

// Environment is the values that markers are evaluated with.
type Environment map[string]string

// Opener opens a file that a lock includes. The name is relative to the directory
// of the lock, or absolute. The caller decides what may be opened.
type Opener func(name string) (io.ReadCloser, error)

// Read reads the lock at path. Included files are found relative to the file that
// includes them. An error of the file system is returned as it is, wrapped.
func Read(path string, env Environment) (*Lock, error) { return read(path, env, openFile) }

func openFile(name string) (io.ReadCloser, error) { return os.Open(name) }

func read(path string, env Environment, open Opener) (*Lock, error) {
	f, err := open(path)
	if err != nil {
		return nil, fmt.Errorf("read lock: %w", err)
	}
	defer f.Close()
	dir := filepath.Dir(path)
	return Parse(path, f, env, func(name string) (io.ReadCloser, error) {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		return open(name)
	})
}

// Parse reads a lock from r. Name is its path, which decides the format and is
// used in messages. Without open, a file that includes others is refused.
func Parse(name string, r io.Reader, env Environment, open Opener) (*Lock, error) {
	b := budget(maxBytes)
	data, err := b.read(name, r)
	if err != nil {
		return nil, err
	}
	kind, err := detect(name, data)
	if err != nil {
		return nil, err
	}
	set := &pinSet{env: env, pins: make(map[string]*Pin)}
	if kind == formatRequirements {
		err = readRequirements(set, name, data, &b, open)
	} else {
		err = readTOML(set, kind, name, data)
	}
	if err != nil {
		return nil, err
	}
	return set.lock(), nil
}

func readTOML(set *pinSet, kind format, name string, data []byte) error {
	root, err := parseTOML(name, data)
	if err != nil {
		return err
	}
	switch kind {
	case formatPylock:
		return readPylock(set, root)
	case formatUV:
		return readUV(set, root)
	default:
		return readPoetry(set, root)
	}
}

// Digest names what the lock pins: 64 hexadecimal digits, the SHA-256 of one line
// for each pin with its name, its version without trailing zeros, its hashes or
// "sdist", and its sources unless they are the same.
// Where the pins stand in the file, and what the file looks like, do not matter.
func (l *Lock) Digest() string {
	h := sha256.New()
	for _, p := range l.Pins {
		hashes := strings.Join(p.Hashes, ",")
		if p.SdistOnly {
			hashes = "sdist"
		}
		if len(p.Sources) > 0 && !slices.Equal(p.Sources, p.Hashes) {
			hashes += " " + strings.Join(p.Sources, ",")
		}
		fmt.Fprintf(h, "%s==%s %s\n", p.Name, p.canonical(), hashes)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Requirements are the lock's pins in the store's words. A version is looked up as the
// lock spells it, then as a build does: "1.0" and "1.0.0" are one. A pin that is
// SdistOnly is looked up by its sources alone.
func (l *Lock) Requirements() *snapshot.Requirements {
	r := &snapshot.Requirements{Digest: l.Digest(), LeftOut: l.LeftOut}
	for _, p := range l.Pins {
		pin := snapshot.Pin{Name: p.Name, Version: p.Version, Digests: p.Hashes, Sources: p.Sources, File: p.File, Line: p.Line}
		if !p.SdistOnly {
			pin.Spellings = slices.Compact([]string{p.Version, p.canonical()})
		}
		r.Pins = append(r.Pins, pin)
	}
	return r
}

// canonical is one text for all spellings of the version.
func (p Pin) canonical() string {
	v, err := pep440.Parse(p.Version)
	if err != nil {
		return p.Version
	}
	return v.Canonical()
}

// anyFile says that any file of the version may be used.
func (p Pin) anyFile() bool { return len(p.Hashes) == 0 && !p.SdistOnly }

func (p Pin) at() position { return position{p.File, p.Line} }
