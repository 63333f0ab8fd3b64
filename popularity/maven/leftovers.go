// Package maven tells from what Maven leaves behind which releases it had to download.
//
// It looks at the upper of a local repository: beside the files of each version lies _remote.repositories, which
// has a row for each of them, `name>repository=`. One with a repository was downloaded; one without
// (`name>=`) was installed there, such as a module of one's own. Nothing of what is stocked has such rows.
//
// A miss is a file of a version: a jar, one with a classifier, a file of another packaging. A POM is one where nothing
// else of its version was downloaded; with any other file it is wanted anyway. Project names are group:artifact. Versions
// in the making are none: no name says twice the same of them.
//
// # Limits
//
// Maven writes the rows that it likes: they are its own business, and may change. Groups of more than nine parts
// lie too deep to be looked at.
package maven

import (
	"bytes"
	"errors"
	"io"
	"path"
	"slices"
	"strings"

	"larder/snapshot"
	"larder/snapshot/ecosystem"
	"larder/snapshot/maven"
)

// Leftovers is the ecosystem's part that reads uppers.
type Leftovers struct{}

// rows is the file with a row for each file of a version.
const rows = "_remote.repositories"

// Enter implements ecosystem.Leftovers.
func (Leftovers) Enter(path []string) bool {
	return !slices.ContainsFunc(path, func(name string) bool { return strings.HasPrefix(name, ".") }) // as Maven's own .locks
}

// Look implements ecosystem.Leftovers.
func (l Leftovers) Look(dir ecosystem.Dir, path []string, name string, isDir bool) (m ecosystem.Miss, ok bool) {
	n := len(path)
	if isDir || n < 3 || slices.ContainsFunc(path[:n-2], func(name string) bool { return strings.Contains(name, ".") }) { // no part of a group
		return m, false
	}
	m = ecosystem.Miss{Project: strings.Join(path[:n-2], ".") + ":" + path[n-2], Version: path[n-1], Kind: ecosystem.Downloaded, File: name}
	if m, ok = l.Valid(m); !ok || m.File == "" {
		return m, false
	}
	files := downloaded(dir)
	if !slices.Contains(files, name) {
		return m, false
	}
	pom, _ := maven.POMOf(m.Project, m.Version) // Valid looked
	return m, name != pom.Name || !slices.ContainsFunc(files, func(other string) bool { return other != name })
}

// maxRows bounds what is read of a file of rows: a version with ten files has half a kilobyte.
const maxRows = 64 << 10

var errRows = errors.New("too long")

// downloaded are the files of a version that came from a repository.
func downloaded(dir ecosystem.Dir) (files []string) {
	var data []byte
	err := dir.Read(rows, func(r io.ReaderAt, size int64) error {
		if size > maxRows {
			return errRows
		}
		data = make([]byte, size)
		_, err := r.ReadAt(data, 0)
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return err
	})
	if err != nil {
		return nil
	}
	for line := range bytes.Lines(data) {
		row, ok := strings.CutSuffix(strings.TrimSpace(string(line)), "=")
		if file, repository, cut := strings.Cut(row, ">"); ok && cut && repository != "" {
			files = append(files, file)
		}
	}
	return files
}

// Asked implements ecosystem.Leftovers: what Maven asks for shows in nothing but what it gets.
func (Leftovers) Asked([]string, string) (key string, ok bool) { return "", false }

// Keys implements ecosystem.Leftovers.
func (Leftovers) Keys(snapshot.ManifestArtifact) []string { return nil }

// Valid implements ecosystem.Leftovers. A name that no file of the version can have is none; nor is one of what is said
// of a file.
func (Leftovers) Valid(m ecosystem.Miss) (ecosystem.Miss, bool) {
	m.Ecosystem, m.Target = maven.Name, ""
	if _, err := maven.FileOf(m.Project, m.Version, m.File); err != nil || slices.Contains(beside, path.Ext(m.File)) {
		m.File = ""
	}
	f, err := maven.POMOf(m.Project, m.Version)
	return m, err == nil && !f.Snapshot()
}

// beside are the endings of what lies beside files.
var beside = append([]string{".asc", ".md5", ".lastUpdated"}, dotted(maven.Algorithms())...)

func dotted(names []string) []string {
	for i := range names {
		names[i] = "." + names[i]
	}
	return names
}
