// Package npm knows where node_modules is mounted, and for which platform. What is in it was made when the
// snapshot was built, all of it: the layers of its packages, the links of .bin and of workspaces, and the
// hidden lock file, which npm believes as long as no directory is newer. So it is mounted alone: what a
// project has in its own node_modules is hidden, as `npm ci` would remove it.
package npm

import (
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"larder/snapshot"
	"larder/snapshot/ecosystem"
	"larder/snapshot/npm"
)

// Environments are node_modules directories.
var Environments ecosystem.Environments = environments{}

type environments struct{}

func (environments) Noun() string { return "node_modules" }

func (environments) Alone() bool { return true }

// Usual is where node looks first.
func (environments) Usual(wd string, _ func(string) string) []string {
	return []string{path.Join(wd, "node_modules")}
}

func (environments) Open(files ecosystem.Files, dir string) (ecosystem.Environment, error) {
	return environment{files, dir}, nil
}

func (environments) New(files ecosystem.Files, _ func(string) string) ecosystem.Environment {
	return environment{files: files}
}

// Scripts has npm run them, as only it knows how: npm rebuild, of these packages alone, in its order and with
// its environment, as far as the project's own allowScripts lets it. Of an optional package that fails, npm ci
// would go on without, and npm rebuild fails: so those are told one by one. The project's own scripts, and those of
// workspaces, write into the user's files, and are the user's to run.
func (environments) Scripts(dir string, all []snapshot.Script) (run []ecosystem.Install, ok bool) {
	var specs []string
	for _, s := range all {
		if !s.Optional && !slices.Contains(specs, s.Spec) {
			specs = append(specs, s.Spec)
		}
	}
	rebuild := func(optional string, specs ...string) {
		run = append(run, ecosystem.Install{Name: "npm rebuild", Optional: optional,
			Command: append([]string{"npm", "rebuild", "--prefix", path.Dir(dir), "--no-global", "--no-ignore-scripts", "--no-update-notifier", "--"}, specs...)})
	}
	if len(specs) > 0 {
		rebuild("", specs...)
	}
	for _, s := range all {
		if s.Optional && !slices.Contains(specs, s.Spec) {
			specs = append(specs, s.Spec)
			rebuild(s.Name, s.Spec)
		}
	}
	return run, true
}

// Installed finds nothing: what npm installs over a mounted node_modules is in its upper.
func (environments) Installed(*os.File, string, func(string) string, time.Time) []ecosystem.Present {
	return nil
}

// environment is the node_modules at dir.
type environment struct {
	files ecosystem.Files
	dir   string
}

func (e environment) String() string {
	tag, ok := npm.HostTag(e.libc())
	if !ok {
		return "node_modules on a machine that node does not run on"
	}
	return "node_modules on " + tag.String()
}

// Targets are those for this machine with the C library that is among the files.
func (e environment) Targets(all []snapshot.Target, _ map[string]string) []snapshot.Target {
	host, ok := npm.HostTag(e.libc())
	return slices.DeleteFunc(slices.Clone(all), func(t snapshot.Target) bool {
		tag, err := npm.ParseTag(t.Tag)
		return t.Ecosystem != npm.Name || err != nil || !ok || tag != host
	})
}

// maxLdd is more than any ldd has: a shell script of 5 kB, or musl's few lines.
const maxLdd = 1 << 20

// libc is the C library that npm finds among the files: what ldd says it is of, else musl where its loader
// is.
func (e environment) libc() string {
	text, err := e.files.ReadFile("/usr/bin/ldd", maxLdd)
	switch {
	case err == nil && strings.Contains(string(text), "musl"):
		return "musl"
	case err == nil && strings.Contains(string(text), "GNU C Library"):
		return "glibc"
	}
	for _, machine := range []string{"x86_64", "aarch64", "armhf", "i386", "powerpc64le", "s390x", "riscv64", "loongarch64"} {
		if _, _, err := e.files.Find("/lib/ld-musl-" + machine + ".so.1"); err == nil {
			return "musl"
		}
	}
	return "glibc"
}

// An environment that is alone has no files of its own, and so nothing to hide, to make or to install with.

func (environment) NeedsInstaller(*os.File, *snapshot.Requirements) (bool, error) { return false, nil }

func (environment) Mask(*os.File, []string) (func(dir string) error, error) { return nil, nil }

func (environment) Make(string, snapshot.Target, string, int, int) (of string, err error) {
	return "", nil
}

func (environment) Install(string, []snapshot.Pin) []ecosystem.Install { return nil }

// Variables are none: node finds it where it is.
func (environment) Variables(string, func(string) string) (set map[string]string, unset []string) {
	return nil, nil
}
