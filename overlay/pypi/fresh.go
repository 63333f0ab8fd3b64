package pypi

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"larder/overlay"
	"larder/snapshot"
	"larder/snapshot/ecosystem"
	"larder/snapshot/pypi"
)

// The bounds of what is looked for in a container. Names are asked for, and no directory is listed: it may
// have a million.
const (
	maxProgramDirs = 16
	newestPython   = 30 // that a message names
)

// fresh is an environment to be made in a container, of an interpreter of the container's own. Nothing of
// a container's is run to learn what it is: its name says it, and the library beside it.
type fresh struct {
	environment
	dirs []string // where programs are
}

func (environments) New(files ecosystem.Files, env func(string) string) ecosystem.Environment {
	e := &fresh{environment: environment{files: files}}
	for _, dir := range append(strings.Split(env("PATH"), ":"), "/usr/local/bin", "/usr/bin", "/bin") {
		if path.IsAbs(dir) && !slices.Contains(e.dirs, path.Clean(dir)) && len(e.dirs) < maxProgramDirs {
			e.dirs = append(e.dirs, path.Clean(dir))
		}
	}
	return e
}

// String names the interpreters there are.
func (e *fresh) String() string {
	var found []string
	for minor := range newestPython + 1 {
		for _, kind := range []string{"", "t"} {
			if version := fmt.Sprintf("3.%d%s", minor, kind); e.interpreter(version) != "" {
				found = append(found, version)
			}
		}
	}
	if len(found) == 0 {
		return "a container without Python in " + strings.Join(e.dirs, ", ")
	}
	libc := "glibc"
	if !e.glibc() {
		libc = "musl"
	}
	return fmt.Sprintf("the container's Python %s with %s", strings.Join(found, ", "), libc)
}

// Targets are those that an interpreter of the container's fits. Of several, python3 on its PATH tells.
func (e *fresh) Targets(all []snapshot.Target, _ map[string]string) []snapshot.Target {
	fits := slices.DeleteFunc(slices.Clone(all), func(t snapshot.Target) bool { return t.Ecosystem != pypi.Name || !e.fits(t.Tag) })
	if len(fits) < 2 {
		return fits
	}
	usual := e.python3()
	better := slices.DeleteFunc(slices.Clone(fits), func(t snapshot.Target) bool { return e.interpreter(interpreterOf(t.Tag)) != usual })
	if len(better) > 0 {
		return better
	}
	return fits
}

// fits says whether a target is for this machine, the container's C library and one of its interpreters. How
// old a glibc is no name says.
func (e *fresh) fits(tag string) bool {
	if !strings.HasSuffix(tag, "_"+machine()) || e.interpreter(interpreterOf(tag)) == "" {
		return false
	}
	if strings.Contains(tag, "-musllinux_") {
		return e.musl()
	}
	return e.glibc()
}

// interpreterOf is the version of a target's interpreter as names have it, "3.11" or "3.13t"; "" of what is no
// target.
func interpreterOf(tag string) string {
	t, err := pypi.ParseTag(tag)
	switch {
	case err != nil:
		return ""
	case t.FreeThreaded():
		return t.Python() + "t"
	}
	return t.Python()
}

// interpreter is the first of a version on PATH, links followed: a program that has its library where it
// looks for it. A script that starts another one has none.
func (e *fresh) interpreter(version string) string {
	if version == "" {
		return ""
	}
	for _, dir := range e.dirs {
		if at, ok := e.program(path.Join(dir, "python"+version)); ok && e.library(at, version) {
			return at
		}
	}
	return ""
}

func (e *fresh) python3() string {
	for _, dir := range e.dirs {
		if at, ok := e.program(path.Join(dir, "python3")); ok {
			return at
		}
	}
	return ""
}

// program is where a program lies. What it is called goes into a file of lines.
func (e *fresh) program(name string) (at string, ok bool) {
	at, mode, err := e.files.Find(name)
	return at, err == nil && mode&0o111 != 0 && !strings.ContainsAny(at, "\r\n")
}

// library says whether an interpreter has its library: by the landmarks of CPython's own getpath.py.
func (e *fresh) library(interpreter, version string) bool {
	prefix := path.Dir(path.Dir(interpreter))
	for _, lib := range []string{"lib", "lib64"} {
		for _, landmark := range []string{"os.py", "os.pyc"} {
			if e.has(path.Join(prefix, lib, "python"+version, landmark)) {
				return true
			}
		}
	}
	return false
}

// musl says whether there is a loader of musl's, by musl's names of machines.
func (e *fresh) musl() bool {
	arch := machine()
	if other, ok := map[string]string{"i686": "i386", "armv7l": "armhf", "ppc64le": "powerpc64le"}[arch]; ok {
		arch = other
	}
	return e.has("/lib/ld-musl-" + arch + ".so.1")
}

// glibc says whether there is a glibc: either can be there beside the other.
func (e *fresh) glibc() bool {
	return !e.musl() || slices.ContainsFunc([]string{"/lib64", "/lib/" + machine() + "-linux-gnu", "/lib"}, func(dir string) bool {
		return e.has(path.Join(dir, "libc.so.6"))
	})
}

func (e *fresh) has(name string) bool {
	_, _, err := e.files.Find(name)
	return err == nil
}

// Make makes an environment of the container's interpreter for a target.
func (e *fresh) Make(dir string, target snapshot.Target, _ string, uid, gid int) (of string, err error) {
	version := interpreterOf(target.Tag)
	at := e.interpreter(version)
	if at == "" {
		return "", &overlay.Problem{Kind: fs.ErrNotExist, Text: fmt.Sprintf("target %s is not for %s", target.Tag, e),
			Advice: "install its Python in the image, or name another target"}
	}
	in := interpreter{path: at, file: at, version: strings.TrimSuffix(version, "t"), freeThreaded: strings.HasSuffix(version, "t")}
	return "python " + version + " " + at, in.make(dir, overlay.Owner{UID: uid, GID: gid})
}
