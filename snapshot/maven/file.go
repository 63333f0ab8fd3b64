package maven

import (
	"errors"
	"fmt"
	"strings"
)

// ErrName is wrapped by every error about coordinates and paths.
var ErrName = errors.New("not a file of a repository")

// What names may have: Maven's own limits are those of file systems. A project and a version are also what
// people revoke by.
const (
	maxProject = 199
	maxVersion = 120
	maxName    = 255
)

// File is where a file of a release, or of a version in the making, is in a repository.
type File struct {
	Group, Artifact, Version string
	Name                     string // artifact-version[-classifier].extension
}

// ParsePath reads a path below a repository's root: GROUP/ARTIFACT/VERSION/NAME, where the group has a slash for
// each dot.
func ParsePath(path string) (File, error) {
	parts := strings.Split(path, "/")
	n := len(parts)
	if n < 4 {
		return File{}, fmt.Errorf("%.120q is %w", path, ErrName)
	}
	f := File{strings.Join(parts[:n-3], "."), parts[n-3], parts[n-2], parts[n-1]}
	if err := f.check(); err != nil {
		return File{}, err
	}
	if f.Path() != path {
		return File{}, fmt.Errorf("%.120q is %w: a group has no dots there", path, ErrName)
	}
	return f, nil
}

// FileOf is the file of a row of a snapshot.
func FileOf(project, version, name string) (File, error) {
	group, artifact, _ := strings.Cut(project, ":")
	f := File{group, artifact, version, name}
	return f, f.check()
}

// POMOf is the file that every release has.
func POMOf(project, version string) (File, error) { return withName(project, version, ".pom") }

// JarOf is the file that most releases have beside it.
func JarOf(project, version string) (File, error) { return withName(project, version, ".jar") }

func withName(project, version, rest string) (File, error) {
	_, artifact, _ := strings.Cut(project, ":")
	return FileOf(project, version, artifact+"-"+version+rest)
}

func (f File) check() error {
	bad := func(why string) error {
		return fmt.Errorf("%.200q is %w: %s", f.Group+":"+f.Artifact+":"+f.Version+":"+f.Name, ErrName, why)
	}
	for part := range strings.SplitSeq(f.Group, ".") {
		if !isName(part) {
			return bad("no such group")
		}
	}
	switch {
	case !isName(f.Artifact):
		return bad("no such artifact")
	case !isName(f.Version):
		return bad("no such version")
	case !isName(f.Name):
		return bad("no such name")
	case len(f.Project()) > maxProject, len(f.Version) > maxVersion, len(f.Name) > maxName:
		return bad("too long")
	}
	if f.Snapshot() {
		return nil // its name has the time of its making
	}
	rest, ok := strings.CutPrefix(f.Name, f.Artifact+"-"+f.Version)
	classifier, extension, dot := strings.Cut(rest, ".")
	if !ok || !dot || extension == "" || classifier != "" && (classifier[0] != '-' || len(classifier) == 1) {
		return bad("the name is not of the form ARTIFACT-VERSION[-CLASSIFIER].EXTENSION")
	}
	return nil
}

// isName takes one part of a path, as Maven has them: no hidden file, nothing that leads elsewhere.
func isName(s string) bool {
	for _, c := range []byte(s) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_.+", c) >= 0) {
			return false
		}
	}
	return s != "" && s[0] != '.' && s[0] != '-'
}

// Snapshot says that the version is in the making: what it names changes. Maven's parts do not agree on the case.
func (f File) Snapshot() bool { return strings.HasSuffix(strings.ToUpper(f.Version), "SNAPSHOT") }

// Path is where the file is below a repository's root.
func (f File) Path() string {
	return strings.ReplaceAll(f.Group, ".", "/") + "/" + f.Artifact + "/" + f.Version + "/" + f.Name
}

// Project is how a snapshot names the project.
func (f File) Project() string { return f.Group + ":" + f.Artifact }
