package tarball

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"path"
	"slices"
	"strings"
)

// maxPackageJSON bounds what package.json files have together: the largest that is known has some
// 500 kB, and npm, which bundles most, has some 250.
const maxPackageJSON = 16 << 20

// manifest is what counts of a package.json. Names of its fields are spelled just so: encoding/json
// would take "Name" as well.
type manifest struct {
	name, version string
	bin           map[string]string // of paths below the package
	binDir        string
	bundles       func(name string) bool
}

// readManifest reads a package.json; false: it is no JSON object.
func readManifest(text []byte) (m manifest, ok bool) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(bytes.TrimPrefix(text, []byte("\ufeff")), &fields) != nil || fields == nil {
		return m, false
	}
	// What has another type than it should is as good as missing: npm's normaliser drops it.
	_ = json.Unmarshal(fields["name"], &m.name)
	_ = json.Unmarshal(fields["version"], &m.version)
	m.bin = readBin(fields["bin"], m.name)
	if len(m.bin) == 0 {
		var directories map[string]json.RawMessage
		if json.Unmarshal(fields["directories"], &directories) == nil {
			_ = json.Unmarshal(directories["bin"], &m.binDir)
			m.binDir = within(m.binDir)
		}
	}
	m.bundles = readBundled(fields["bundleDependencies"])
	if fields["bundleDependencies"] == nil {
		m.bundles = readBundled(fields["bundledDependencies"])
	}
	return m, true
}

// readBin reads "bin": one path, a list of them, or paths by name. What npm makes no link for is left
// out.
func readBin(raw json.RawMessage, name string) map[string]string {
	bin := map[string]string{}
	var one string
	var list []string
	var byName map[string]json.RawMessage
	switch {
	case json.Unmarshal(raw, &one) == nil:
		bin[name] = one
	case json.Unmarshal(raw, &list) == nil:
		for _, file := range list {
			bin[path.Base(file)] = file
		}
	case json.Unmarshal(raw, &byName) == nil:
		for name, raw := range byName {
			var one string
			if json.Unmarshal(raw, &one) == nil {
				bin[name] = one
			}
		}
	}
	for name, file := range bin {
		base := within(path.Base(strings.NewReplacer(`\`, "/", ":", "/").Replace(name)))
		if bin[name] = within(file); base == "" || bin[name] == "" {
			delete(bin, name)
		}
	}
	return bin
}

// within is a path as if the package were the root of all, "" for that root itself.
func within(file string) string {
	return strings.TrimPrefix(path.Join("/", strings.ReplaceAll(file, `\`, "/")), "/")
}

// readBundled reads "bundleDependencies": names, or true for all.
func readBundled(raw json.RawMessage) func(string) bool {
	var all bool
	var names []string
	if json.Unmarshal(raw, &all) == nil && all {
		return func(string) bool { return true }
	}
	_ = json.Unmarshal(raw, &names) // none then
	return func(name string) bool { return slices.Contains(names, name) }
}

// isPackage says whether a directory of the tarball can be a package: its own, or one in node_modules.
func isPackage(dir string) bool {
	for dir != "" {
		rest, ok := strings.CutPrefix(dir, "node_modules/")
		name, rest, _ := strings.Cut(rest, "/")
		if !ok || name == "" {
			return false
		}
		if name[0] == '@' {
			if name, rest, _ = strings.Cut(rest, "/"); name == "" {
				return false
			}
		}
		dir = rest
	}
	return true
}

// bundledName is the name of the package in the tarball's node_modules that a directory belongs to.
func bundledName(dir string) string {
	parts := strings.SplitN(strings.TrimPrefix(dir, "node_modules/"), "/", 3)
	if strings.HasPrefix(parts[0], "@") && len(parts) > 1 {
		return parts[0] + "/" + parts[1]
	}
	return parts[0]
}

// check compares package.json with what the tarball is published as, and returns the paths of all
// programs.
func (u *unpacker) check(name, version string) (programs map[string]bool, _ error) {
	text, ok := u.packages[""]
	if !ok {
		return nil, refuse("has no package.json")
	}
	own, ok := readManifest(text)
	switch {
	case !ok:
		return nil, refuse("has a package.json that is no JSON object")
	case own.name != name:
		return nil, refuse("is published as %s, and its package.json says %s", name, quote(own.name))
	case !sameVersion(own.version, version):
		return nil, refuse("is published as version %s, and its package.json says %s", version, quote(own.version))
	}
	programs = map[string]bool{}
	for dir, text := range u.packages {
		m, ok := own, true
		if dir != "" {
			if m, ok = readManifest(text); !ok || !own.bundles(bundledName(dir)) {
				continue
			}
		}
		for _, file := range m.bin {
			programs[path.Join(dir, file)] = true
		}
		for name := range u.entries {
			if m.binDir != "" && strings.HasPrefix(name, path.Join(dir, m.binDir)+"/") {
				programs[name] = true
			}
		}
	}
	return programs, nil
}

// sameVersion says whether a registry publishes what package.json calls a under b: it cleans it.
func sameVersion(a, b string) bool {
	clean := func(v string) string {
		v, _, _ = strings.Cut(strings.TrimLeft(strings.TrimSpace(v), "=v "), "+")
		return v
	}
	return clean(a) == clean(b)
}

// mend makes programs executable, and their first lines ones that a kernel reads. Which files are programs
// is known only at the end of the archive: it is read again for those that are not as they should be.
func (u *unpacker) mend(ctx context.Context, programs map[string]bool) error {
	for name := range programs {
		if e, is := u.entries[name]; !is || e.Size == 0 {
			delete(programs, name)
		}
	}
	if len(programs) == 0 {
		return nil
	}
	return u.each(ctx, func(_ *tar.Header, name string, r io.Reader) error {
		e := u.entries[name]
		if !programs[name] {
			return nil
		}
		head := make([]byte, 2048) // as far as npm looks
		n, err := io.ReadFull(r, head)
		if err != nil && err != io.ErrUnexpectedEOF {
			return err
		}
		mended := mendLine(head[:n])
		if e.Mode == 0o755 && len(mended) == n {
			return nil
		}
		e.Mode = 0o755
		err = u.store(&e, io.MultiReader(bytes.NewReader(mended), r))
		u.entries[name] = e
		return err
	})
}

// mendLine takes the carriage return out of a "#!" line.
func mendLine(head []byte) []byte {
	end := bytes.IndexByte(head, '\n')
	if !bytes.HasPrefix(head, []byte("#!")) || end < 4 || head[end-1] != '\r' {
		return head
	}
	return slices.Concat(head[:end-1], head[end:])
}
