package pypi

import (
	"errors"
	"io"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"larder/overlay"
	"larder/snapshot/ecosystem"
	"larder/snapshot/pypi"
)

// The bounds of what is looked at below a root: a container's files are its own.
const (
	maxInstalled = 1000
	maxPrefixes  = 24
	maxListed    = 20_000 // names of directories
	maxLooking   = 200 * time.Millisecond
)

// insideRoot resolves as a process of the container would, on the root's own file system: no link leads
// out, none of /proc is followed, and what hangs on another file system is not waited for.
const insideRoot = unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV

// Installed implements ecosystem.Environments: the dist-infos where the interpreters on PATH, those of
// the usual virtual environments and the user's own site look. A dist-info is of an install since a
// time when its METADATA has changed since: the time of a file's change (ctime) is the kernel's word,
// and what an image brings is older. A directory that has not changed since is not even listed.
func (e environments) Installed(root *os.File, wd string, env func(string) string, since time.Time) []ecosystem.Present {
	l := looker{root: root, since: since, end: time.Now().Add(maxLooking), listed: maxListed, seen: map[uint64]bool{}}
	for _, prefix := range e.prefixes(wd, env) {
		for _, lib := range []string{"lib", "lib64"} {
			l.prefix(path.Join(prefix, lib))
		}
	}
	return l.found
}

// prefixes are where programs look for packages.
func (e environments) prefixes(wd string, env func(string) string) []string {
	all := e.Usual(wd, env)
	for dir := range strings.SplitSeq(env("PATH"), ":") {
		if path.IsAbs(dir) && path.Base(dir) == "bin" {
			all = append(all, path.Dir(dir))
		}
	}
	if home := env("HOME"); path.IsAbs(home) {
		all = append(all, path.Join(home, ".local"))
	}
	all = append(all, "/usr/local", "/usr", "/opt/venv", "/venv", path.Join(wd, "venv"))
	seen, unique := map[string]bool{}, all[:0]
	for _, p := range all {
		if p = path.Clean(p); path.IsAbs(p) && !seen[p] && len(unique) < maxPrefixes {
			seen[p] = true
			unique = append(unique, p)
		}
	}
	return unique
}

// looker looks for what was installed.
type looker struct {
	root   *os.File
	since  time.Time
	end    time.Time
	listed int
	seen   map[uint64]bool // directories, by inode: lib64 is most often a link to lib
	found  []ecosystem.Present
}

// open opens below the root. Nothing but directories and regular files is ever opened for reading.
func (l *looker) open(dir *os.File, name string, flags uint64) (*os.File, error) {
	return overlay.OpenAt(dir, name, unix.OpenHow{Flags: flags, Resolve: insideRoot})
}

// prefix looks at the packages of each interpreter in a lib directory.
func (l *looker) prefix(lib string) {
	dir, err := l.open(l.root, lib, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return
	}
	defer dir.Close()
	if st, ok := l.stat(dir); !ok || l.seen[st.Ino] {
		return
	} else {
		l.seen[st.Ino] = true
	}
	l.each(dir, func(python string) {
		if !strings.HasPrefix(python, "python3") {
			return
		}
		for _, packages := range []string{"site-packages", "dist-packages"} {
			// From the root, where a link that is absolute has to begin.
			site, err := l.open(l.root, path.Join(lib, python, packages), unix.O_RDONLY|unix.O_DIRECTORY)
			if err != nil {
				continue
			}
			if st, ok := l.stat(site); ok && !l.seen[st.Ino] && l.changed(st) {
				l.seen[st.Ino] = true
				l.site(site, pythonOfDir(python))
			}
			site.Close()
		}
	})
}

// pythonOfDir is the Python of a directory's name: "3.11" of python3.11; "" of python3.
func pythonOfDir(dir string) string {
	minor := strings.TrimPrefix(dir, "python")
	if _, err := strconv.Atoi(strings.TrimPrefix(minor, "3.")); err != nil || !strings.HasPrefix(minor, "3.") {
		return ""
	}
	return minor
}

// site takes the dist-infos of one directory of packages.
func (l *looker) site(site *os.File, python string) {
	l.each(site, func(name string) {
		base, ok := strings.CutSuffix(name, ".dist-info")
		project, version, dashed := strings.Cut(base, "-")
		if !ok || !dashed || len(l.found) == maxInstalled {
			return
		}
		dir, err := overlay.OpenAt(site, name, unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW, Resolve: overlay.Below})
		if err != nil {
			return
		}
		defer dir.Close()
		var st unix.Stat_t
		// What says where it came from was not taken from an index.
		if unix.Fstatat(int(dir.Fd()), "direct_url.json", &st, unix.AT_SYMLINK_NOFOLLOW) == nil ||
			unix.Fstatat(int(dir.Fd()), "METADATA", &st, unix.AT_SYMLINK_NOFOLLOW) != nil || !l.changed(st) {
			return
		}
		l.found = append(l.found, ecosystem.Present{Client: installerOf(dir),
			Miss: ecosystem.Miss{Ecosystem: pypi.Name, Project: project, Version: version, Target: python, Kind: ecosystem.Installed}})
	})
}

// installerOf is the first word of INSTALLER, "" where there is none.
func installerOf(dir *os.File) string {
	f, err := overlay.OpenAt(dir, "INSTALLER", unix.OpenHow{Flags: unix.O_PATH | unix.O_NOFOLLOW, Resolve: overlay.Below})
	if err != nil {
		return ""
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return ""
	}
	r, err := os.OpenFile("/proc/thread-self/fd/"+strconv.Itoa(int(f.Fd())), os.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	defer r.Close()
	var b [32]byte
	n, err := r.Read(b[:])
	if err != nil && !errors.Is(err, io.EOF) {
		return ""
	}
	name := strings.ToLower(strings.TrimSpace(string(b[:n])))
	if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
		return ""
	}
	return name
}

// each calls do with the names in a directory, within the bounds of all that is looked at.
func (l *looker) each(dir *os.File, do func(name string)) {
	for {
		names, err := dir.Readdirnames(500)
		for _, name := range names {
			if l.listed--; l.listed < 0 || time.Now().After(l.end) {
				return
			}
			do(name)
		}
		if err != nil {
			return
		}
	}
}

func (l *looker) stat(f *os.File) (st unix.Stat_t, ok bool) {
	return st, unix.Fstat(int(f.Fd()), &st) == nil
}

func (l *looker) changed(st unix.Stat_t) bool {
	return !time.Unix(st.Ctim.Unix()).Before(l.since)
}
