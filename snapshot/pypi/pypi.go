// Package pypi is what store, mounts and builder share of PyPI's world: the clients, and the details
// that targets and artifacts of a snapshot carry.
//
// Below it: lock reads lock files, pep440 versions, pep508 names, requirements and markers, tags the
// tags of wheels and targets.
package pypi

import (
	"bytes"
	"encoding/json"
	"fmt"

	"larder/snapshot"
)

// Name is the ecosystem's package-url type.
const Name = "pypi"

// Target is the detail of a target: an interpreter and its platform.
type Target struct {
	Python  string            `json:"python"`  // full version of the interpreter, such as 3.11.7
	Markers map[string]string `json:"markers"` // what environment markers are evaluated with (PEP 508)
}

// Wheel is the detail of an artifact.
type Wheel struct {
	Metadata       bool            `json:"metadata,omitempty"`       // the index serves FILE.metadata, and it is the wheel's METADATA
	MetadataSHA256 snapshot.Digest `json:"metadata_sha256,omitzero"` // of the wheel's METADATA
	RequiresPython string          `json:"requires_python,omitempty"`
}

// TargetOf reads the detail of a target. One of another ecosystem, or one that is none, is
// snapshot.ErrDamaged.
func TargetOf(t snapshot.Target) (d Target, err error) {
	err = read(t.Ecosystem, t.Detail, "target "+t.Tag, &d)
	return d, err
}

// WheelOf reads the detail of an artifact, as TargetOf does.
func WheelOf(a snapshot.ManifestArtifact) (d Wheel, err error) {
	err = read(a.Ecosystem, a.Detail, "artifact "+a.Filename, &d)
	return d, err
}

func read(ecosystem string, detail json.RawMessage, what string, into any) error {
	if ecosystem != Name {
		return fmt.Errorf("%s is of ecosystem %.40q, not %s: %w", what, ecosystem, Name, snapshot.ErrDamaged)
	}
	if len(detail) == 0 {
		return nil
	}
	if err := json.Unmarshal(detail, into); err != nil {
		return fmt.Errorf("detail of %s: %w: %w", what, snapshot.ErrDamaged, err)
	}
	return nil
}

// Row is the row of a target with this detail.
func (d Target) Row(tag, installer string) snapshot.Target {
	return snapshot.Target{Format: snapshot.ManifestFormat, Ecosystem: Name, Tag: tag, Detail: encode(d), Installer: installer}
}

// Detail is the detail as an artifact carries it.
func (d Wheel) Detail() json.RawMessage {
	if d == (Wheel{}) {
		return nil
	}
	return encode(d)
}

func encode(detail any) json.RawMessage {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // version specifiers are full of < and >
	if err := enc.Encode(detail); err != nil {
		panic(err) // strings, digests and maps of strings: none can fail
	}
	return bytes.TrimSpace(b.Bytes())
}
