package lock

import "strings"

const pylockFix = remake + ": uv export --format pylock.toml, or pip lock"

// readPylock reads a pylock.toml (PEP 751, version 1), following the steps of its
// section "Installation", without extras and with the default groups. A package from
// a repository, a directory or a single archive is refused: no index serves it, so no
// snapshot can have it. The project itself and editable directories are left out.
func readPylock(set *pinSet, root *table) error {
	at := root.at()
	version := root.text("lock-version")
	clause := root.text("requires-python")
	environments := root.texts("environments")
	groups := root.texts("default-groups")
	packages := root.tables("packages")
	if root.doc.err != nil {
		return root.doc.err
	}
	if version != "1" && !strings.HasPrefix(version, "1.") {
		return at.refuse(pylockFix+" (lock-version 1.0)", "lock-version is %s, only 1 can be read", show(version))
	}
	if !root.has("packages") {
		return at.refuse(pylockFix, "has no packages")
	}
	if err := set.requiresPython(at, "the lock", clause); err != nil {
		return err
	}
	if err := set.forEnvironment(at, environments); err != nil {
		return err
	}
	for _, t := range packages {
		if err := addPylock(set, t, groups); err != nil {
			return err
		}
		if root.doc.err != nil {
			return root.doc.err
		}
	}
	return nil
}

// addPylock pins one of the packages, if the environment needs it.
func addPylock(set *pinSet, t *table, groups []string) error {
	name := t.text("name")
	ok, err := set.marker(t.at(), t.text("marker"), nil, groups)
	if err != nil || !ok || t.doc.err != nil {
		return err
	}
	if err := set.requiresPython(t.at(), show(name), t.text("requires-python")); err != nil {
		return err
	}
	if dir := t.table("directory"); dir != nil {
		if path := dir.text("path"); path == "." || path == "./" || dir.flag("editable") {
			set.leaveOut(name) // the project itself, or one of its workspace
			return nil
		}
	}
	for _, source := range [...]struct{ key, what string }{{"vcs", "a repository"}, {"directory", "a directory"}, {"archive", "a single archive"}} {
		if t.has(source.key) {
			return t.at().refuse("lock a release of it from an index", "%s comes from %s, which no index serves", show(name), source.what)
		}
	}
	wheels := t.tables("wheels")
	pin := Pin{Name: name, Version: t.text("version"), SdistOnly: len(wheels) == 0, File: t.doc.file, Line: t.line}
	for _, w := range wheels {
		if pin.Version == "" { // it may be left to the file names
			pin.Version = wheelVersion(w.text("name"), w.text("path"), w.text("url"))
		}
		if h, ok := digest(w.table("hashes").text("sha256")); ok {
			pin.Hashes = append(pin.Hashes, h)
		}
	}
	if h, ok := digest(t.table("sdist").table("hashes").text("sha256")); ok {
		pin.Sources = []string{h}
	}
	if t.doc.err != nil {
		return t.doc.err
	}
	if !pin.SdistOnly && len(pin.Hashes) == 0 {
		return t.at().refuse(pylockFix, "no wheel of %s has a SHA-256", show(name))
	}
	return set.add(pin)
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
