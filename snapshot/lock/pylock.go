package lock

import (
	"strings"

	"larder/snapshot/pep508"
)

const pylockFix = "make the lock anew: uv export --format pylock.toml, or pip lock"

// pylock reads a lock of PEP 751, following the steps of its section
// "Installation", without extras and with the default groups.
func (p *parser) pylock(file string, data []byte) error {
	root, err := parseTOML(file, data)
	if err != nil {
		return err
	}
	d := &decoder{file: file}
	version := d.text(root, "lock-version")
	clause := d.text(root, "requires-python")
	environments := d.texts(root, "environments")
	groups := d.texts(root, "default-groups")
	packages := d.tables(root, "packages")
	if d.err != nil {
		return d.err
	}
	if version != "1" && !strings.HasPrefix(version, "1.") {
		return refuse(file, 0, pylockFix+" (lock-version 1.0)", "lock-version is %s, only 1 can be read", show(version))
	}
	if !root.has("packages") {
		return refuse(file, 0, pylockFix, "has no packages")
	}
	if err := p.requiresPython(file, 0, "the lock", clause); err != nil {
		return err
	}
	if err := p.anyEnvironment(file, environments); err != nil {
		return err
	}
	for _, t := range packages {
		if err := p.pylockPackage(d, t, groups); err != nil {
			return err
		}
		if d.err != nil {
			return d.err
		}
	}
	return nil
}

// requiresPython refuses when the environment's Python is not allowed.
func (p *parser) requiresPython(file string, line int, who, clause string) error {
	if clause == "" {
		return nil
	}
	ok, err := p.pythonAllowed(clause)
	if err != nil {
		return refuse(file, line, "correct it", "requires-python: %s", err)
	}
	if !ok {
		return refuse(file, line, "choose another target, or lock for this Python", "%s needs Python %s, the target has %s",
			who, show(clause), show(p.env["python_full_version"]))
	}
	return nil
}

// anyEnvironment refuses when the lock names environments and none of them holds.
func (p *parser) anyEnvironment(file string, markers []string) error {
	for _, text := range markers {
		ok, err := p.marker(file, 0, text, nil, nil)
		if ok || err != nil {
			return err
		}
	}
	if len(markers) > 0 {
		return refuse(file, 0, "choose another target, or lock for this one too", "is for other environments: %s", show(strings.Join(markers, " | ")))
	}
	return nil
}

func (p *parser) marker(file string, line int, text string, extras, groups []string) (bool, error) {
	if text == "" {
		return true, nil
	}
	m, err := pep508.ParseMarker(text)
	ok := false
	if err == nil {
		ok, err = m.EvaluateLock(p.env, extras, groups)
	}
	if err != nil {
		return false, refuse(file, line, "make the lock anew", "%s", err)
	}
	return ok, nil
}

func (p *parser) pylockPackage(d *decoder, t *table, groups []string) error {
	name := d.text(t, "name")
	ok, err := p.marker(d.file, t.line, d.text(t, "marker"), nil, groups)
	if err != nil || !ok || d.err != nil {
		return err
	}
	if err := p.requiresPython(d.file, t.line, show(name), d.text(t, "requires-python")); err != nil {
		return err
	}
	if dir := d.table(t, "directory"); dir != nil {
		if path := d.text(dir, "path"); path == "." || path == "./" || d.flag(dir, "editable") {
			p.leftOut = append(p.leftOut, pep508.Normalize(name)) // the project itself, or one of its workspace
			return nil
		}
	}
	for _, source := range [...]struct{ key, what string }{{"vcs", "a repository"}, {"directory", "a directory"}, {"archive", "a single archive"}} {
		if t.has(source.key) {
			return refuse(d.file, t.line, "lock a release of it from an index", "%s comes from %s, which no index serves", show(name), source.what)
		}
	}
	pin := Pin{Name: name, Version: d.text(t, "version"), File: d.file, Line: t.line}
	wheels := d.tables(t, "wheels")
	pin.SdistOnly = len(wheels) == 0
	unhashed := 0
	for _, w := range wheels {
		if pin.Version == "" { // it may be left to the file names
			pin.Version = wheelVersion(d.text(w, "name"), d.text(w, "path"), d.text(w, "url"))
		}
		h, ok := sha256Hex(d.text(d.table(w, "hashes"), "sha256"))
		if !ok {
			unhashed++
			continue
		}
		pin.Hashes = append(pin.Hashes, h)
	}
	if d.err != nil {
		return d.err
	}
	if unhashed > 0 && len(pin.Hashes) == 0 {
		return refuse(d.file, t.line, pylockFix, "no wheel of %s has a SHA-256", show(name))
	}
	return p.add(pin)
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
