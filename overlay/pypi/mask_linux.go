package pypi

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// mask hides an environment's own files of some projects.
type mask struct {
	hidden []string               // paths in the environment, sorted
	dirs   map[string]unix.Stat_t // of all directories on the way to them
}

func (m mask) empty() bool { return len(m.hidden) == 0 }

// findMask finds what an environment's own directory has of the given projects
// (normalised names). What is read is counted by take.
//
// The directory may be an enemy's: everything is opened below the descriptor
// (which may be an O_PATH one), no links, no other mounts, regular files only,
// all of it bounded.
func findMask(dir *os.File, projects []string, take func(n int64) error) (mask, error) {
	f := finder{dir, take}
	own, err := f.distInfos(projects)
	if err != nil || len(own) == 0 {
		return mask{}, err
	}
	paths, err := maskPaths(own, projects, f.record)
	if err != nil {
		return mask{}, err
	}
	return f.mask(paths, own)
}

// hasProject says whether an environment's own directory has a project
// (normalised name). It is read as by findMask.
func hasProject(dir *os.File, name string, take func(n int64) error) (bool, error) {
	f := finder{dir, take}
	own, err := f.distInfos([]string{name})
	if err != nil {
		return false, fmt.Errorf("look for %s in the environment: %w", name, err)
	}
	return len(own) > 0, nil
}

// write makes the mask's directories and whiteouts in an empty directory of
// ours that nobody else can reach.
func (m mask) write(dir string) error {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: dir, Err: err}
	}
	defer unix.Close(fd)
	made := map[string]bool{".": true}
	for _, p := range m.hidden {
		if err := m.makeDir(fd, path.Dir(p), made); err != nil {
			return err
		}
		// A whiteout. Making one needs no privilege.
		if err := unix.Mknodat(fd, p, unix.S_IFCHR, int(unix.Mkdev(0, 0))); err != nil {
			return &os.PathError{Op: "make whiteout", Path: p, Err: err}
		}
	}
	return nil
}

// makeDir makes a directory that looks as the environment's own does: merged,
// the topmost one's owner and mode are seen.
func (m mask) makeDir(fd int, dir string, made map[string]bool) error {
	if made[dir] {
		return nil
	}
	if err := m.makeDir(fd, path.Dir(dir), made); err != nil {
		return err
	}
	st := m.dirs[dir]
	err := unix.Mkdirat(fd, dir, 0o700)
	if err == nil {
		err = unix.Fchownat(fd, dir, int(st.Uid), int(st.Gid), unix.AT_SYMLINK_NOFOLLOW)
		if err == unix.EINVAL {
			err = nil // in a user namespace that does not know the group
		}
	}
	if err == nil {
		err = unix.Fchmodat(fd, dir, st.Mode&0o7777, 0)
	}
	if err != nil {
		return &os.PathError{Op: "make directory", Path: dir, Err: err}
	}
	made[dir] = true
	return nil
}

// distInfos finds the projects' dist-infos.
func (f *finder) distInfos(projects []string) ([]distInfo, error) {
	wanted := make(map[string]bool, len(projects))
	for _, p := range projects {
		wanted[p] = true
	}
	var own []distInfo
	for _, lib := range []string{"lib", "lib64"} { // lib64 is most often a link: not opened
		pythons, err := f.list(lib)
		if err != nil {
			return nil, err
		}
		for _, python := range pythons {
			if !strings.HasPrefix(python, "python") {
				continue
			}
			site := lib + "/" + python + "/site-packages"
			names, err := f.list(site)
			if err != nil {
				return nil, err
			}
			for _, name := range names {
				if p := project(name); p == "" || !wanted[p] {
					continue
				}
				if len(own) == maxDistInfos {
					return nil, errTooMuch
				}
				own = append(own, distInfo{site, name})
			}
		}
	}
	return own, nil
}

// mask keeps of the paths what is there, and hides a package's directory as
// one when all that is in it is hidden: an empty one would still be imported,
// as a namespace.
func (f *finder) mask(paths []string, own []distInfo) (mask, error) {
	m := mask{dirs: map[string]unix.Stat_t{}}
	whole := map[string]bool{} // hidden whatever it is
	sites := map[string]bool{}
	for _, d := range own {
		whole[d.path()] = true
		sites[d.site] = true
	}
	names, err := byDirectory(paths)
	if err != nil {
		return m, err
	}
	// Deepest first, so that a directory knows of the ones in it.
	dirs := slices.SortedFunc(maps.Keys(names), func(a, b string) int {
		return cmp.Or(strings.Count(b, "/")-strings.Count(a, "/"), strings.Compare(a, b))
	})
	below := func(dir string) bool {
		for d := path.Dir(dir); d != "."; d = path.Dir(d) {
			if sites[d] {
				return true
			}
		}
		return false
	}
	for _, dir := range dirs {
		d, err := f.open(dir, unix.O_RDONLY|unix.O_DIRECTORY)
		if unfit(err) {
			continue
		}
		if err != nil {
			return m, err
		}
		var st unix.Stat_t
		hidden, all := []string(nil), false
		if err = unix.Fstat(int(d.Fd()), &st); err == nil {
			hidden, all, err = f.hide(d, dir, names, whole, below(dir))
		}
		d.Close()
		if err != nil {
			return m, &os.PathError{Op: "read", Path: dir, Err: err}
		}
		if all {
			whole[dir] = true
			names[path.Dir(dir)][path.Base(dir)] = true
			continue
		}
		m.dirs[dir] = st
		for _, name := range hidden {
			m.hidden = append(m.hidden, path.Join(dir, name))
		}
	}
	// What is in a directory that is hidden as one needs nothing of its own.
	m.hidden = slices.DeleteFunc(m.hidden, func(p string) bool {
		for d := path.Dir(p); d != "."; d = path.Dir(d) {
			if whole[d] {
				return true
			}
		}
		return false
	})
	slices.Sort(m.hidden)
	return m, nil
}

// byDirectory are the names that shall be hidden, by directory, with those of bytecode, and all
// directories on the way.
func byDirectory(paths []string) (map[string]map[string]bool, error) {
	names := map[string]map[string]bool{}
	for _, p := range paths {
		dir, name := path.Split(p)
		dir = path.Clean(dir)
		for d := dir; names[d] == nil; d = path.Dir(d) {
			names[d] = map[string]bool{}
		}
		if len(names) > maxDirs {
			return nil, errTooMuch
		}
		names[dir][name] = true
		if c := dir + "/__pycache__"; strings.HasSuffix(name, ".py") && names[c] == nil {
			names[c] = map[string]bool{}
		}
	}
	return names, nil
}

// hide says what to hide in one directory, and whether that is all there is.
func (f *finder) hide(d *os.File, dir string, names map[string]map[string]bool, whole map[string]bool, below bool) (hidden []string, all bool, err error) {
	mine := names[dir]
	var present []string
	if below {
		if present, err = f.names(d); err != nil {
			return nil, false, err
		}
		if path.Base(dir) == "__pycache__" {
			for _, name := range present {
				if s := source(name); s != "" && names[path.Dir(dir)][s] {
					mine[name] = true
				}
			}
		}
	}
	for name := range mine {
		var st unix.Stat_t
		if unix.Fstatat(int(d.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
			continue
		}
		if st.Mode&unix.S_IFMT != unix.S_IFDIR || whole[path.Join(dir, name)] {
			hidden = append(hidden, name)
		}
	}
	return hidden, below && len(hidden) > 0 && len(hidden) == len(present), nil
}
