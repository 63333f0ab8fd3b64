package lock

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"larder/snapshot/pep440"
	"larder/snapshot/pep508"
)

// Environment is the values markers are evaluated with.
type Environment map[string]string

// Pin is one project at one version.
type Pin struct {
	Name      string   // normalised
	Version   string   // normalised, as the lock writes it: "1.0.0" stays apart from "1.0"
	Hashes    []string // hex SHA-256 of files that may be used, sorted; empty: any file of the version
	SdistOnly bool     // the lock lists files, and none is a wheel
	File      string   // where it stands, for messages
	Line      int      // 0 when not known
}

// Lock is what a lock file pins for one environment.
type Lock struct {
	Format  Format
	Pins    []Pin    // sorted by name, one for each project
	LeftOut []string // the user's own source trees, which are not installed; sorted names
}

const (
	maxBytes = 16 << 20 // of all files of one lock; the largest seen is 3 MB
	maxPins  = 20_000
)

// Opener opens a file that a lock includes. The name is relative to the directory
// of the lock, or absolute. The caller decides what may be opened.
type Opener func(name string) (io.ReadCloser, error)

// Read reads the lock at path. Included files are found relative to the file that
// includes them. An error of the file system is returned as it is, wrapped.
func Read(path string, env Environment) (*Lock, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read lock: %w", err)
	}
	defer f.Close()
	dir := filepath.Dir(path)
	return Parse(path, f, env, func(name string) (io.ReadCloser, error) {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		return os.Open(name)
	})
}

// Parse reads a lock from r. Name is its path, which decides the format and is
// used in messages. Without open, a file that includes others is refused.
func Parse(name string, r io.Reader, env Environment, open Opener) (*Lock, error) {
	p := &parser{env: env, open: open, left: maxBytes, name: name}
	data, err := p.read(name, r)
	if err != nil {
		return nil, err
	}
	format, err := detect(name, data)
	if err != nil {
		return nil, err
	}
	switch format {
	case Pylock:
		err = p.pylock(name, data)
	case UV:
		err = p.uv(name, data)
	case Poetry:
		err = p.poetry(name, data)
	default:
		err = p.requirements(name, data)
	}
	if err != nil {
		return nil, err
	}
	l := &Lock{Format: format, LeftOut: p.leftOut}
	for _, pin := range p.pins {
		l.Pins = append(l.Pins, *pin)
	}
	slices.SortFunc(l.Pins, func(a, b Pin) int { return cmp.Compare(a.Name, b.Name) })
	slices.Sort(l.LeftOut)
	l.LeftOut = slices.Compact(l.LeftOut)
	return l, nil
}

// Digest names what the lock pins: 64 hexadecimal digits, the SHA-256 of one line
// for each pin with its name, its version without trailing zeros, and its hashes.
// Where the pins stand in the file, and what the file looks like, do not matter.
func (l *Lock) Digest() string {
	h := sha256.New()
	for _, p := range l.Pins {
		v, err := pep440.Parse(p.Version)
		version := p.Version
		if err == nil {
			version = v.Canonical()
		}
		fmt.Fprintf(h, "%s==%s %s\n", p.Name, version, strings.Join(p.Hashes, ","))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// parser holds one reading: its budget and what it found so far.
type parser struct {
	env     Environment
	open    Opener
	name    string // of the lock itself
	left    int64  // bytes that may still be read
	files   int    // included so far
	pins    map[string]*Pin
	leftOut []string
}

func (p *parser) read(name string, r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, p.left+1))
	if err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) { // "read /path: is a directory"
			return nil, fmt.Errorf("read lock: %w", err)
		}
		return nil, fmt.Errorf("read lock %s: %w", show(name), err)
	}
	if p.left -= int64(len(data)); p.left < 0 {
		return nil, refuse(name, 0, "use a smaller lock", "larger than %d MiB, includes counted", maxBytes>>20)
	}
	return toUTF8(name, data)
}

// add takes one pin in, checks and normalises it, and merges it with what is
// already known of the project.
func (p *parser) add(pin Pin) error {
	if !pep508.ValidName(pin.Name) {
		return refuse(pin.File, pin.Line, "correct the name", "%s is no project name", show(pin.Name))
	}
	pin.Name = pep508.Normalize(pin.Name)
	v, err := pep440.Parse(pin.Version)
	if err != nil {
		return refuse(pin.File, pin.Line, "lock a release with a version as PEP 440 writes it", "%s: %s is no version", pin.Name, show(pin.Version))
	}
	pin.Version = v.String()
	slices.Sort(pin.Hashes)
	pin.Hashes = slices.Compact(pin.Hashes)
	old := p.pins[pin.Name]
	if old == nil {
		if len(p.pins) == maxPins {
			return refuse(pin.File, pin.Line, "use a smaller lock", "more than %d projects", maxPins)
		}
		if p.pins == nil {
			p.pins = make(map[string]*Pin)
		}
		p.pins[pin.Name] = &pin
		return nil
	}
	if w, _ := pep440.Parse(old.Version); v.Compare(w) != 0 {
		return refuse(pin.File, pin.Line, "keep one of the two, or give them markers that do not hold together",
			"%s %s, but %s pins %s", pin.Name, pin.Version, where(old.File, old.Line), old.Version)
	}
	old.SdistOnly = old.SdistOnly && pin.SdistOnly
	if len(old.Hashes) == 0 || len(pin.Hashes) == 0 {
		old.Hashes = append(old.Hashes, pin.Hashes...) // the stricter of the two
		return nil
	}
	old.Hashes = append(old.Hashes, pin.Hashes...)
	slices.Sort(old.Hashes)
	old.Hashes = slices.Compact(old.Hashes)
	return nil
}

// sha256Hex tells whether s is a digest as locks write it; it returns lower case.
func sha256Hex(s string) (string, bool) {
	if len(s) != 64 {
		return "", false
	}
	b, err := hex.DecodeString(s)
	return hex.EncodeToString(b), err == nil
}

// pythonAllowed tells whether the environment's Python satisfies a
// requires-python clause, pre-releases of Python included.
func (p *parser) pythonAllowed(clause string) (bool, error) {
	list, err := pep440.ParseSpecifiers(clause)
	if err != nil {
		return false, err
	}
	return list.ContainsText(strings.TrimSuffix(p.env["python_full_version"], "+"), true), nil
}
