// Package maven tells from what Maven leaves behind which releases it had to download.
//
// It looks at the upper of a local repository: beside the files of each version lies _remote.repositories, which
// has a row for each of them, `name>repository=`. One with a repository was downloaded; one without
// (`name>=`) was installed there, such as a module of one's own. Nothing of what is stocked has such rows.
//
// A miss is a version: its jar, its POM and what else it has are one. Project names are group:artifact. Snapshots are
// none: no name says twice the same of them.
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
	if isDir || name != rows || n < 3 {
		return m, false
	}
	artifact, version := path[n-2], path[n-1]
	if slices.ContainsFunc(path[:n-2], func(name string) bool { return strings.Contains(name, ".") }) { // no part of a group
		return m, false
	}
	if !downloaded(dir, artifact+"-"+version) {
		return m, false
	}
	return l.Valid(ecosystem.Miss{Project: strings.Join(path[:n-2], ".") + ":" + artifact, Version: version, Kind: ecosystem.Downloaded})
}

// maxRows bounds what is read of a file of rows: a version with ten files has half a kilobyte.
const maxRows = 64 << 10

var errRows = errors.New("too long")

// downloaded says whether one of the files of a version came from a repository, and is there.
func downloaded(dir ecosystem.Dir, stem string) bool {
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
		return false
	}
	for line := range bytes.Lines(data) {
		row, ok := strings.CutSuffix(strings.TrimSpace(string(line)), "=")
		file, repository, cut := strings.Cut(row, ">")
		if rest, of := strings.CutPrefix(file, stem); ok && cut && repository != "" && of && (strings.HasPrefix(rest, ".") || strings.HasPrefix(rest, "-")) {
			return true
		}
	}
	return false
}

// Asked implements ecosystem.Leftovers: what Maven asks for shows in nothing but what it gets.
func (Leftovers) Asked([]string, string) (key string, ok bool) { return "", false }

// Keys implements ecosystem.Leftovers.
func (Leftovers) Keys(snapshot.ManifestArtifact) []string { return nil }

// Valid implements ecosystem.Leftovers.
func (Leftovers) Valid(m ecosystem.Miss) (ecosystem.Miss, bool) {
	m.Ecosystem, m.Target = maven.Name, ""
	_, artifact, _ := strings.Cut(m.Project, ":")
	f, err := maven.FileOf(m.Project, m.Version, artifact+"-"+m.Version+".pom") // which every release has
	return m, err == nil && !f.Snapshot()
}
