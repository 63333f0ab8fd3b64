// Package maven is what store, mounts and builder share of Maven's world: the client, the details that
// artifacts of a snapshot carry, the names of projects, and where files are in a repository.
//
// # Words
//
// A [File] is one file of a release: a POM, a jar, a jar with a classifier, or of another packaging. Each is an
// artifact of its own. A project is group:artifact. There is one target, [Tag]: what Maven downloads is the
// same on every machine.
//
// A [Sum] is what a repository says of a file, in another file beside it.
package maven

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"larder/snapshot"
	"larder/snapshot/ecosystem"
)

// Name is the ecosystem's package-url type.
const Name = "maven"

// ViewMaven is Maven's local repository, below /views of the image.
const ViewMaven = "maven"

// Tag is the one target.
const Tag = "jvm"

// ErrTag is wrapped by every error about a target.
var ErrTag = errors.New("not a target")

// Clients are the tools whose caches are served. No variable moves Maven's: its settings do, and they are
// the container's own.
var Clients = []ecosystem.Client{
	{Name: "maven", Dir: "~/.m2/repository", Views: []string{ViewMaven}},
}

// Ecosystem is Maven's row. A program adds the parts that it links.
var Ecosystem = ecosystem.Ecosystem{
	Name: Name, Artifact: "file", Clients: Clients, Attached: []string{ViewMaven}, Names: Names{},
	Normalize: Project, Package: Package, Describe: describe, Locks: Locks,
}

// Project is how a snapshot spells a project, group:artifact, of what people write: group/artifact, too.
func Project(name string) string {
	at := strings.LastIndexByte(name, '/')
	if at < 0 || strings.Contains(name, ":") {
		return name
	}
	return name[:at] + ":" + name[at+1:]
}

// Package is a project as package urls have it, group/artifact.
func Package(project string) string { return strings.Replace(project, ":", "/", 1) }

// Target is the row of the one target.
func Target() snapshot.Target {
	return snapshot.Target{Format: snapshot.ManifestFormat, Ecosystem: Name, Tag: Tag}
}

// Detail is the detail of an artifact: the strongest checksum that its repository offers.
type Detail struct {
	Algorithm string `json:"algorithm"`
	Checksum  string `json:"checksum"` // in hexadecimal
}

// DetailOf reads the detail of an artifact. One of another ecosystem, or one that is none, is
// snapshot.ErrDamaged.
func DetailOf(a snapshot.ManifestArtifact) (Sum, error) {
	if a.Ecosystem != Name {
		return Sum{}, fmt.Errorf("artifact %s is of ecosystem %.40q, not %s: %w", a.Filename, a.Ecosystem, Name, snapshot.ErrDamaged)
	}
	s, err := ParseDetail(a.Detail)
	if err != nil {
		return Sum{}, fmt.Errorf("detail of artifact %s: %w: %w", a.Filename, snapshot.ErrDamaged, err)
	}
	return s, nil
}

// ParseDetail reads what Sum.Detail writes.
func ParseDetail(detail json.RawMessage) (Sum, error) {
	var d Detail
	if err := json.Unmarshal(detail, &d); err != nil {
		return Sum{}, err
	}
	return NewSum(d.Algorithm, d.Checksum)
}

// Detail is the checksum as an artifact carries it.
func (s Sum) Detail() json.RawMessage {
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(Detail{s.algorithm, s.hex}); err != nil {
		panic(err) // strings: none can fail
	}
	return bytes.TrimSpace(b.Bytes())
}

func describe(detail json.RawMessage) string {
	s, err := ParseDetail(detail)
	if err != nil {
		return ""
	}
	return "the repository's " + s.algorithm + " is " + s.hex
}
