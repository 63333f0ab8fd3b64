// Package pypi tells from what PyPI's clients leave behind which projects they had to download.
//
// It looks at
//
//   - http-v2/ and http/ of pip: entries whose stored headers name a project and version
//     (x-pypi-file-project, -version) and whose body is an archive, not just its metadata;
//   - wheels/ of pip: wheels it built itself, by file name;
//   - wheels-v*/ of uv: pointers, by directory and file name;
//   - artifacts/ of Poetry, which its mount is: wheels, by file name;
//   - site-packages/: projects by the name of their dist-info, unless direct_url.json says they
//     came from elsewhere than an index.
//
// An index that is not the public one sends no x-pypi-file headers: there a wheel in the cache tells
// its name by the paths in it. One that sends no cache headers leaves nothing in pip's cache; there
// only site-packages and locally built wheels tell, and what a container has installed in its own
// files, which the hook looks at when it ends (overlay/pypi).
//
// Left out are pip and setuptools: every new virtual environment has them, without a download.
// Other clients' caches are not read. A container that removes its cache before it ends
// (an image build that cleans up) has hidden what it fetched.
package pypi

import (
	"io"
	"regexp"
	"strings"
	"sync"

	"larder/snapshot"
	"larder/snapshot/ecosystem"
	"larder/snapshot/pypi"
)

// Leftovers is the ecosystem's part that reads uppers. Names that come out are normalised (PEP 503),
// targets are minor versions of Python, "3.11".
type Leftovers struct{}

// kind is what a directory of an upper is.
type kind int

const (
	anywhere  kind = iota
	pipHTTP        // below http/ or http-v2/
	pipWheels      // below wheels/
	uvWheels       // below wheels-v*/
	artifacts      // a directory of Poetry's that has a file
	packages       // site-packages/ itself
	nothing        // below site-packages/, or a bucket of uv's that names nothing
)

// kindOf is what the directory at path is, and the Python of the environment it is in.
func kindOf(path []string) (k kind, python string) {
	for _, name := range path {
		switch {
		case k == packages:
			return nothing, python // what is in there is looked at by name
		case k != anywhere:
		case name == "http" || name == "http-v2":
			k = pipHTTP
		case name == "wheels":
			k = pipWheels
		case strings.HasPrefix(name, "wheels-v"):
			k = uvWheels
		case name == "site-packages":
			k = packages
		case strings.HasPrefix(name, "python3."):
			python = pythonOf("cp3" + strings.TrimPrefix(name, "python3."))
		case isBucket(name):
			return nothing, python
		}
	}
	if k == anywhere && isArtifact(path) {
		k = artifacts
	}
	return k, python
}

// isArtifact says whether a directory is named as Poetry names those of its artifacts.
func isArtifact(path []string) bool {
	path = path[max(0, len(path)-4):]
	digits := strings.Join(path, "/")
	return len(path) == 4 && len(digits) == 64+3 && len(path[3]) == 58 && strings.Trim(digits, "0123456789abcdef/") == ""
}

// isBucket says whether a directory is one of uv's that holds unpacked trees of any size.
func isBucket(name string) bool {
	for _, bucket := range []string{"archive-v", "sdists-v", "builds-v", "simple-v", "git-v", "environments-v", "interpreter-v"} {
		if strings.HasPrefix(name, bucket) {
			return true
		}
	}
	return false
}

// Enter implements ecosystem.Leftovers.
func (Leftovers) Enter(path []string) bool {
	k, _ := kindOf(path)
	return k != nothing
}

// Look implements ecosystem.Leftovers.
func (l Leftovers) Look(dir ecosystem.Dir, path []string, name string, isDir bool) (m ecosystem.Miss, ok bool) {
	k, python := kindOf(path)
	switch {
	case isDir && k == packages:
		m, ok = fromDistInfo(name, python)
		// python -m venv installs pip and setuptools from the interpreter's own bundle. A directory
		// without METADATA was copied up for another file in it, or emptied by an uninstall.
		ok = ok && m.Project != "pip" && m.Project != "setuptools" && dir.Has(name, "METADATA") && !dir.Has(name, "direct_url.json")
	case isDir:
	case k == pipHTTP && isEntry(name):
		m, ok = fromEntry(dir, name)
	case k == pipWheels:
		m, ok = fromWheel(name, ecosystem.Built)
	case k == artifacts:
		m, ok = fromWheel(name, ecosystem.Downloaded)
	case k == uvWheels && len(path) > 0:
		m, ok = fromUV(path[len(path)-1], name)
	}
	return m, ok
}

// Asked implements ecosystem.Leftovers: every entry of pip's cache may be an index page.
func (Leftovers) Asked(path []string, name string) (key string, ok bool) {
	k, _ := kindOf(path)
	return name, k == pipHTTP && isEntry(name)
}

// Keys implements ecosystem.Leftovers: pip keeps a page under its URL. It asks for its own, too, to
// tell of a newer one.
func (Leftovers) Keys(row snapshot.ManifestArtifact) []string {
	if row.Project == "pip" {
		return nil
	}
	return []string{pypi.CacheName(strings.TrimSuffix(row.Index, "/") + "/" + row.Project + "/")}
}

// isEntry says whether a file has the name of one of pip's entries.
func isEntry(name string) bool {
	return len(name) == 56 && strings.Trim(name, "0123456789abcdef") == ""
}

// Valid implements ecosystem.Leftovers.
func (Leftovers) Valid(m ecosystem.Miss) (ecosystem.Miss, bool) {
	name, ok := (pypi.Names{}).Project(m.Project)
	m.Ecosystem, m.Project, m.File = pypi.Name, name, ""
	if t, err := pypi.ParseTag(m.Target); err == nil { // a whole target counts as its Python
		m.Target = t.Python()
	}
	if m.Target != "" && pythonOf("cp"+strings.Replace(m.Target, ".", "", 1)) != m.Target {
		m.Target = ""
	}
	return m, ok && (pypi.Names{}).Version(m.Version)
}

func miss(project, version, python, kind string) (ecosystem.Miss, bool) {
	return Leftovers{}.Valid(ecosystem.Miss{Project: project, Version: version, Target: python, Kind: kind})
}

// fromEntry reads one of pip's cache entries, and the first bytes of its body to tell an archive
// from metadata.
func fromEntry(dir ecosystem.Dir, name string) (m ecosystem.Miss, ok bool) {
	var e entry
	err := dir.Read(name, func(r io.ReaderAt, size int64) (err error) {
		e, err = readEntry(r, size)
		return err
	})
	if err != nil {
		return m, false
	}
	if len(e.body) == 0 {
		err = dir.Read(name+".body", func(r io.ReaderAt, size int64) error {
			e.body = make([]byte, min(4, size))
			_, err := r.ReadAt(e.body, 0)
			return err
		})
	}
	if err != nil || !archive(e.body) {
		return m, false
	}
	if m, ok = fromHeaders(e.headers); ok {
		return m, true
	}
	for _, file := range []string{name + ".body", name} { // the older kind has it inside
		if m, ok = fromArchive(dir, file); ok {
			break
		}
	}
	return m, ok
}

// distInfoPath is the path of a file of the dist-info, as the directory at the end of a wheel has it.
var distInfoPath = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`([A-Za-z0-9][A-Za-z0-9._]*-[A-Za-z0-9][A-Za-z0-9.!+_]*\.dist-info)/(?:METADATA|RECORD)`)
})

// fromArchive reads a wheel's name from its end: other indexes than the public one do not say what a
// file is. Of wheels whose directory of names is larger than what is read, the last ones are the
// dist-info's, where its format asks for them.
func fromArchive(dir ecosystem.Dir, file string) (m ecosystem.Miss, ok bool) {
	_ = dir.Read(file, func(r io.ReaderAt, size int64) error {
		b := make([]byte, min(64<<10, size))
		if _, err := r.ReadAt(b, size-int64(len(b))); err != nil {
			return err
		}
		found := distInfoPath().FindSubmatch(b)
		if found != nil {
			m, ok = fromDistInfo(string(found[1]), "")
			m.Kind = ecosystem.Downloaded
		}
		return nil
	})
	return m, ok
}

// fromWheel reads a wheel's file name: name-version[-build]-python-abi-platform.
func fromWheel(file, kind string) (ecosystem.Miss, bool) {
	base, ok := strings.CutSuffix(file, ".whl")
	parts := strings.Split(base, "-")
	if !ok || len(parts) != 5 && len(parts) != 6 {
		return ecosystem.Miss{}, false
	}
	return miss(parts[0], parts[1], pythonOf(parts[len(parts)-3]), kind)
}

// fromUV reads the name of a pointer of uv's, <version>-<python>-<abi>-<platform>.http, in a
// directory named for the project.
func fromUV(project, file string) (ecosystem.Miss, bool) {
	key, ok := strings.CutSuffix(file, ".http")
	version, tags, _ := strings.Cut(key, "-")
	python, _, _ := strings.Cut(tags, "-")
	if !ok {
		return ecosystem.Miss{}, false
	}
	return miss(project, version, pythonOf(python), ecosystem.Downloaded)
}

// fromDistInfo reads a directory name, Name-Version.dist-info.
func fromDistInfo(dir, python string) (ecosystem.Miss, bool) {
	base, ok := strings.CutSuffix(dir, ".dist-info")
	project, version, dashed := strings.Cut(base, "-")
	if !ok || !dashed {
		return ecosystem.Miss{}, false
	}
	return miss(project, version, python, ecosystem.Installed)
}

// fromHeaders reads what the index's file host says of the file it sends.
func fromHeaders(h map[string]string) (ecosystem.Miss, bool) {
	return miss(h["project"], h["version"], pythonOf(h["python-version"]), ecosystem.Downloaded)
}

// pythonOf turns a Python tag into a minor version: cp311 is 3.11; py3, and whatever else does not
// name one, is "".
func pythonOf(tag string) string {
	digits, ok := strings.CutPrefix(tag, "cp")
	if !ok || len(digits) < 2 || len(digits) > 3 || digits[0] < '2' || digits[0] > '4' {
		return ""
	}
	for _, c := range []byte(digits) {
		if c < '0' || c > '9' {
			return ""
		}
	}
	return digits[:1] + "." + digits[1:]
}
