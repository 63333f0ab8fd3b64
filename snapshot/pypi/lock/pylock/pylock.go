// Package pylock reads pylock.toml (PEP 751, version 1).
//
// It follows the steps of the section "Installation" of the specification, with no
// extras and the default groups. A package from a repository, a directory or a
// single archive is refused: no index serves it, so no snapshot can have it. The
// project itself and editable directories are left out and named.
package pylock

import (
	"strings"

	"larder/snapshot/pypi/lock/pins"
	"larder/snapshot/pypi/lock/tomltree"
)

const fix = "make the lock anew: uv export --format pylock.toml, or pip lock"

// Read reads a lock of PEP 751, following the steps of its section
// "Installation", without extras and with the default groups.
func Read(set *pins.Set, file string, data []byte) error {
	root, err := tomltree.Parse(file, data)
	if err != nil {
		return err
	}
	d := &tomltree.Decoder{File: file}
	version := d.Text(root, "lock-version")
	clause := d.Text(root, "requires-python")
	environments := d.Texts(root, "environments")
	groups := d.Texts(root, "default-groups")
	packages := d.Tables(root, "packages")
	if d.Err != nil {
		return d.Err
	}
	if version != "1" && !strings.HasPrefix(version, "1.") {
		return pins.Refuse(file, 0, fix+" (lock-version 1.0)", "lock-version is %s, only 1 can be read", pins.Show(version))
	}
	if !root.Has("packages") {
		return pins.Refuse(file, 0, fix, "has no packages")
	}
	if err := set.RequiresPython(file, 0, "the lock", clause); err != nil {
		return err
	}
	if err := set.AnyEnvironment(file, environments); err != nil {
		return err
	}
	for _, t := range packages {
		if err := read(set, d, t, groups); err != nil {
			return err
		}
		if d.Err != nil {
			return d.Err
		}
	}
	return nil
}

func read(set *pins.Set, d *tomltree.Decoder, t *tomltree.Table, groups []string) error {
	name := d.Text(t, "name")
	ok, err := set.Marker(d.File, t.Line, d.Text(t, "marker"), nil, groups)
	if err != nil || !ok || d.Err != nil {
		return err
	}
	if err := set.RequiresPython(d.File, t.Line, pins.Show(name), d.Text(t, "requires-python")); err != nil {
		return err
	}
	if dir := d.Table(t, "directory"); dir != nil {
		if path := d.Text(dir, "path"); path == "." || path == "./" || d.Flag(dir, "editable") {
			set.LeaveOut(name) // the project itself, or one of its workspace
			return nil
		}
	}
	for _, source := range [...]struct{ key, what string }{{"vcs", "a repository"}, {"directory", "a directory"}, {"archive", "a single archive"}} {
		if t.Has(source.key) {
			return pins.Refuse(d.File, t.Line, "lock a release of it from an index", "%s comes from %s, which no index serves", pins.Show(name), source.what)
		}
	}
	pin := pins.Pin{Name: name, Version: d.Text(t, "version"), File: d.File, Line: t.Line}
	wheels := d.Tables(t, "wheels")
	pin.SdistOnly = len(wheels) == 0
	unhashed := 0
	for _, w := range wheels {
		if pin.Version == "" { // it may be left to the file names
			pin.Version = wheelVersion(d.Text(w, "name"), d.Text(w, "path"), d.Text(w, "url"))
		}
		h, ok := pins.Digest(d.Text(d.Table(w, "hashes"), "sha256"))
		if !ok {
			unhashed++
			continue
		}
		pin.Hashes = append(pin.Hashes, h)
	}
	if d.Err != nil {
		return d.Err
	}
	if unhashed > 0 && len(pin.Hashes) == 0 {
		return pins.Refuse(d.File, t.Line, fix, "no wheel of %s has a SHA-256", pins.Show(name))
	}
	return set.Add(pin)
}

// wheelVersion takes the version out of the name of a wheel, which is the last
// component of the first of the given texts that is not empty.
func wheelVersion(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			_, rest, _ := strings.Cut(t[strings.LastIndexByte(t, '/')+1:], "-")
			version, _, _ := strings.Cut(rest, "-")
			return strings.ReplaceAll(version, "%2B", "+")
		}
	}
	return ""
}
