package lock

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"larder/snapshot/pypi/lock/pins"
	"larder/snapshot/pypi/lock/poetrylock"
	"larder/snapshot/pypi/lock/pylock"
	"larder/snapshot/pypi/lock/reqfile"
	"larder/snapshot/pypi/lock/uvlock"
	"larder/snapshot/pypi/pep440"
)

// Environment is the values that markers are evaluated with.
type Environment = pins.Environment

// Pin is one project at one version.
type Pin = pins.Pin

// Refusal says why a lock cannot be used as it stands.
type Refusal = pins.Refusal

// ErrRefused is what errors.Is finds in every *Refusal.
var ErrRefused = pins.ErrRefused

// Lock is what a lock file pins for one environment.
type Lock struct {
	Format  Format
	Pins    []Pin    // sorted by name, one for each project
	LeftOut []string // the user's own source trees, which are not installed; sorted names
}

// maxBytes bounds all files of one lock together; the largest seen has 3 MB.
const maxBytes = 16 << 20

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
	b := budget(maxBytes)
	data, err := b.read(name, r)
	if err != nil {
		return nil, err
	}
	format, err := detect(name, data)
	if err != nil {
		return nil, err
	}
	set := &pins.Set{Env: env}
	switch format {
	case Pylock:
		err = pylock.Read(set, name, data)
	case UV:
		err = uvlock.Read(set, name, data)
	case Poetry:
		err = poetrylock.Read(set, name, data)
	default:
		err = reqfile.Read(set, name, data, b.include(open))
	}
	if err != nil {
		return nil, err
	}
	return &Lock{Format: format, Pins: set.Pins(), LeftOut: set.LeftOut()}, nil
}

// Digest names what the lock pins: 64 hexadecimal digits, the SHA-256 of one line
// for each pin with its name, its version without trailing zeros, and its hashes
// or "sdist".
// Where the pins stand in the file, and what the file looks like, do not matter.
func (l *Lock) Digest() string {
	h := sha256.New()
	for _, p := range l.Pins {
		v, err := pep440.Parse(p.Version)
		version := p.Version
		if err == nil {
			version = v.Canonical()
		}
		hashes := strings.Join(p.Hashes, ",")
		if p.SdistOnly {
			hashes = "sdist"
		}
		fmt.Fprintf(h, "%s==%s %s\n", p.Name, version, hashes)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// budget is how many bytes may still be read.
type budget int64

func (b *budget) read(name string, r io.Reader) ([]byte, error) {
	var buf bytes.Buffer
	if f, ok := r.(interface{ Stat() (fs.FileInfo, error) }); ok {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			buf.Grow(int(min(info.Size(), int64(*b))) + bytes.MinRead)
		}
	}
	_, err := buf.ReadFrom(io.LimitReader(r, int64(*b)+1))
	data := buf.Bytes()
	var pe *fs.PathError
	switch {
	case errors.As(err, &pe): // names the file: "read /path: is a directory"
		return nil, fmt.Errorf("read lock: %w", err)
	case err != nil:
		return nil, fmt.Errorf("read lock %s: %w", pins.Show(name), err)
	}
	if *b -= budget(len(data)); *b < 0 {
		return nil, pins.Refuse(name, 0, "use a smaller lock", "larger than %d MiB, includes counted", maxBytes>>20)
	}
	return toUTF8(name, data)
}

func (b *budget) include(open Opener) reqfile.Opener {
	if open == nil {
		return nil
	}
	return func(name, shown string) ([]byte, error) {
		f, err := open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return b.read(shown, f)
	}
}
