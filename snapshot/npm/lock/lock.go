// Package lock reads npm's locks, package-lock.json and npm-shrinkwrap.json of versions 2 and 3, and
// plans the node_modules that `npm ci --ignore-scripts` makes of one: which tarball goes where, the links
// of .bin and of workspaces, and the hidden lock file, by which npm knows that nothing is to be done.
//
// # The promises
//
//   - What is planned is what npm 11 makes, file by file, for the target. Packages for development are
//     in it, as with `npm ci`; whatever NODE_ENV or omit say where it is mounted, they are there.
//   - Optional packages that do not fit the target's os, cpu and libc are left out, with what only they need.
//   - A package that no registry has (git, file, an address, no integrity) is left out, and named.
//   - Any lock is read in bounded time and memory, and refused in one line.
//
// # The limits
//
// The lock alone is read: whether package.json still agrees, npm says. Engines are not looked at, since
// a target has no version of node: an optional package that npm would leave out for its engines is there.
// Of workspaces, only what the lock puts into a node_modules of theirs is planned; one outside of the project is refused.
package lock

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"larder/snapshot"
	"larder/snapshot/ecosystem"
	"larder/snapshot/npm"
)

const (
	maxBytes   = 16 << 20
	maxEntries = 100_000
	maxMounts  = 200 // each costs about half a millisecond
)

// Locks implements ecosystem.Locks.
var Locks ecosystem.Locks = locks{}

type locks struct{}

// others are locks that npm does not read, by the tool that makes them.
var others = map[string]string{"pnpm-lock.yaml": "pnpm", "yarn.lock": "yarn", "bun.lock": "bun", "bun.lockb": "bun"}

// project is what a lock is made of, and easily named for it.
const project = "package.json"

// IsLock knows what is none of npm's locks, too, so that it is refused for what it is.
func (locks) IsLock(name string) bool {
	base := path.Base(name)
	return base == "package-lock.json" || base == "npm-shrinkwrap.json" || base == project || others[base] != ""
}

func (locks) Read(files ecosystem.Files, paths []string, target snapshot.Target) (*snapshot.Requirements, error) {
	if target.Ecosystem != npm.Name {
		return nil, fmt.Errorf("target %s is of ecosystem %.40q, not %s: %w", target.Tag, target.Ecosystem, npm.Name, snapshot.ErrDamaged)
	}
	tag, err := npm.ParseTag(target.Tag)
	if err != nil {
		return nil, err
	}
	if len(paths) != 1 {
		return nil, file(strings.Join(paths, ", ")).refuse("mount them one by one", "several locks cannot be one node_modules")
	}
	if tool := others[path.Base(paths[0])]; tool != "" {
		return nil, file(paths[0]).refuse("with npm, make a package-lock.json: npm install --package-lock-only", "a lock of %s, and only npm's are read", tool)
	}
	if path.Base(paths[0]) == project {
		return nil, file(paths[0]).refuse("name its package-lock.json, which npm install --package-lock-only makes", "not a lock, but what one is made of")
	}
	data, err := files.ReadFile(paths[0], maxBytes)
	if err != nil {
		return nil, fmt.Errorf("read lock: %w", err)
	}
	return Read(paths[0], string(data), tag)
}

// Read reads the text of a lock. Name is for messages.
func Read(name, text string, tag npm.Tag) (*snapshot.Requirements, error) {
	t := &tree{file: file(name), at: map[string]int{}}
	if err := t.read(strings.TrimPrefix(text, "\ufeff")); err != nil {
		return nil, err
	}
	if err := t.connect(); err != nil {
		return nil, err
	}
	if err := t.leaveOut(tag); err != nil {
		return nil, err
	}
	if err := t.place(); err != nil {
		return nil, err
	}
	return t.requirements(tag), nil
}

// tree is a lock.
type tree struct {
	file    file
	top     value
	newline string
	indent  string
	entries []entry        // in its order
	at      map[string]int // by location
	work    int            // steps that were done

	own  []string          // directories with a node_modules, the project's first; none: only that has one
	part map[string]string // and by them, the directory of the environment that is mounted on it, with a slash
}

func (t *tree) read(text string) (err error) {
	if t.top, err = parse(text); err == nil && t.top.kind != '{' {
		err = errors.New("no object")
	}
	if err != nil {
		return t.file.refuse(remake, "not a lock of npm's: %v", err)
	}
	t.newline, t.indent = format(text)
	const convert = "npm install --package-lock-only --lockfile-version 3 makes one of it that is"
	switch v := t.top.get("lockfileVersion"); {
	case v.kind == '0' && (v.text == "2" || v.text == "3"):
	case v.empty() || v.text == "1":
		return t.file.refuse(convert, "a lock of version 1 is not read")
	default:
		return t.file.refuse(convert, "a lock of version %s is not known", show(v.text))
	}
	packages := t.top.get("packages")
	if packages.kind != '{' {
		return t.file.refuse(remake, "it has no packages")
	}
	if len(packages.members) > maxEntries {
		return t.file.refuse("use a smaller lock", "more than %d packages", maxEntries)
	}
	for _, m := range packages.members {
		e, err := t.file.readEntry(m.name, m.value)
		if err != nil {
			return err
		}
		if _, twice := t.at[e.at]; twice {
			return t.file.refuse(remake, "packages: %s is there twice", show(e.at))
		}
		t.at[e.at] = len(t.entries)
		t.entries = append(t.entries, e)
	}
	return nil
}

// format is how a lock is laid out, which npm keeps: its line break, and what the first line is
// indented with.
func format(text string) (newline, indent string) {
	rest := strings.TrimLeft(text, " \t\r\n")[1:]
	for {
		if after, ok := strings.CutPrefix(rest, "\r\n"); ok {
			newline, rest = newline+"\r\n", after
		} else if after, ok := strings.CutPrefix(rest, "\n"); ok {
			newline, rest = newline+"\n", after
		} else {
			break
		}
	}
	if newline != "" {
		indent = rest[:len(rest)-len(strings.TrimLeft(rest, " \t"))]
	}
	if indent == "" {
		indent = "  "
	}
	if newline == "" || len(newline) > 2 { // blank lines are nobody's format
		newline = "\n"
	}
	return newline, indent[:min(len(indent), 10)]
}
