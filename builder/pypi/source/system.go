package source

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"larder/builder/sandbox"
	"larder/snapshot"
)

// System is a root file system of the operator's, with a compiler, headers and what else sources with
// machine code need. Builders may share one.
type System struct {
	dir string

	once   sync.Once
	digest snapshot.Digest
	err    error
}

// NewSystem is the root file system in a directory, which is looked at where something needs it.
func NewSystem(dir string) *System { return &System{dir: dir} }

// systemDirs are the directories at the top that builds see. What else is there (variable data, homes)
// belongs to one host.
var systemDirs = []string{"bin", "etc", "lib", "lib32", "lib64", "libx32", "sbin", "usr"}

// open reads the whole root, once.
func (s *System) open() error {
	s.once.Do(func() {
		s.digest, s.err = digestOf(s.dir)
	})
	return s.err
}

// digestOf is the SHA-256 of a listing of what builds see of a root: for each entry, in the order of
// their paths' names, a line with its type, mode, quoted path, and the target of a link or the SHA-256 of
// a file's bytes. Owners and times are not in it: no build sees the one, nor should go by the other.
func digestOf(dir string) (snapshot.Digest, error) {
	if info, err := os.Stat(filepath.Join(dir, "usr")); err != nil || !info.IsDir() {
		return snapshot.Digest{}, fmt.Errorf("%s is no root file system: it has no directory usr", dir)
	}
	sum := sha256.New()
	for _, top := range systemDirs {
		err := filepath.WalkDir(filepath.Join(dir, top), func(name string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) && name == filepath.Join(dir, top) {
				return nil
			}
			if err != nil {
				return err
			}
			return list(sum, dir, name, d)
		})
		if err != nil {
			return snapshot.Digest{}, fmt.Errorf("read the root file system: %w", err)
		}
	}
	return snapshot.Digest(sum.Sum(nil)), nil
}

// list writes the line of one entry.
func list(to io.Writer, dir, name string, d fs.DirEntry) error {
	info, err := d.Info()
	if err != nil {
		return err
	}
	var content string
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		content, err = os.Readlink(name)
	case info.Mode().IsRegular():
		content, err = sumOf(name)
	}
	if err != nil {
		return err
	}
	rel, err := filepath.Rel(dir, name)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(to, "%s %q %q\n", info.Mode(), rel, content)
	return err
}

func sumOf(name string) (string, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", sum.Sum(nil)), nil
}

// mounts show the root's directories. One that lacks a mount point of others is shown entry by entry, so
// that the point can be made beside them.
func (s *System) mounts(points []string) (all []sandbox.Mount, err error) {
	for _, top := range systemDirs {
		if all, err = s.show(all, "/"+top, points); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (s *System) show(all []sandbox.Mount, at string, points []string) ([]sandbox.Mount, error) {
	source, ok := s.find(at)
	if !ok || slices.Contains(points, at) {
		return all, nil
	}
	lacks := slices.ContainsFunc(points, func(p string) bool {
		_, there := s.find(p)
		return strings.HasPrefix(p, at+"/") && !there
	})
	if !lacks {
		return append(all, sandbox.Mount{Source: source, Target: at}), nil
	}
	entries, err := os.ReadDir(source)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if all, err = s.show(all, path.Join(at, e.Name()), points); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// find is where on the host a file or directory of the root is. What leads out of the root is not found.
func (s *System) find(name string) (string, bool) {
	dir, err := filepath.EvalSymlinks(s.dir)
	if err != nil {
		return "", false
	}
	file, err := filepath.EvalSymlinks(filepath.Join(dir, name))
	return file, err == nil && strings.HasPrefix(file, dir+"/")
}

// hasLibrary says whether the root's loader finds a shared library, without its configuration.
func (s *System) hasLibrary(name string) bool {
	for _, place := range []string{"lib", "lib64", "usr/lib", "usr/lib64", "lib/*-linux-*", "usr/lib/*-linux-*"} {
		if found, _ := fs.Glob(os.DirFS(s.dir), path.Join(place, name)); len(found) > 0 {
			return true
		}
	}
	return false
}

// root plans what a build with machine code sees: the system, and the interpreter on top of it at its own
// path. Shared libraries of the interpreter's that the system has not are apart, where no linker looks.
func (s *System) root(i seen) (*root, error) {
	r := &root{python: prefix + "/bin/python3", site: prefix + "/lib/" + i.Directory + "/site-packages", config: i.venv()}
	targets := map[string]string{r.python: i.Executable}
	if i.Prefix == "/usr" { // the system's own: on top of it there is nothing but what it may not have
		own, ok := s.find(i.Executable)
		if !ok {
			return nil, fail(MissingProgram, "sdists_root has no %s, the interpreter of the target", i.Executable)
		}
		targets[r.python] = own
	} else {
		for _, dir := range slices.Concat(i.Library, i.Include) {
			targets[dir] = dir
		}
		for _, file := range i.Mapped {
			name, err := soname(file)
			switch {
			case err != nil:
				return nil, err
			case strings.HasPrefix(file, i.Prefix+"/"):
				targets[path.Join(path.Dir(file), name)] = file
			case !s.hasLibrary(name):
				targets[path.Join(sharedDir, name)] = file
			}
		}
	}
	for target, source := range targets {
		file, err := filepath.EvalSymlinks(source)
		if err != nil {
			return nil, err
		}
		if !below(target, slices.Concat(i.Library, i.Include)) {
			r.mounts = append(r.mounts, sandbox.Mount{Source: file, Target: target})
		}
	}
	slices.SortFunc(r.mounts, func(a, b sandbox.Mount) int { return cmp.Compare(a.Target, b.Target) })
	var points []string
	for _, m := range r.mounts {
		points = append(points, m.Target)
	}
	system, err := s.mounts(points)
	r.mounts = append(system, r.mounts...)
	return r, err
}
