// Package pypi is what store, mounts and builder share of PyPI's world: the clients, the details
// that targets and artifacts of a snapshot carry, and the tags that say which wheels a target accepts
// and which of them pip would take.
//
// Below it: lock reads lock files, pep440 versions, pep508 names, requirements and markers.
//
// # Words
//
// A [Tag] names a target, an interpreter and a platform, by the two outer parts of a
// wheel tag: cp311-manylinux_2_36_x86_64 is CPython 3.11 on glibc 2.36,
// cp313t-musllinux_1_2_aarch64 the free-threaded CPython 3.13 on musl 1.2. It
// means everything that interpreter accepts there, older platforms, the stable
// ABI and pure wheels included. A [WheelTag] is one triple python-abi-platform; a wheel
// names one or more of them. The rank of a wheel is the index of its best tag in
// the target's list: 0 is pip's first choice.
//
// # Promises
//
// [Tag.Supported] is, tag for tag and in order, what `pip debug --verbose` prints for
// that interpreter with the newest pip that runs on it (testdata/supported.txt,
// made with pip 26.3, and pip 25.0.1 and 26.0.1 for Python 3.8 and 3.9).
//
// # Limits
//
// CPython 3.8 and later on Linux only. pip 26.3 moved the bare linux_<arch> tags
// from behind the manylinux and musllinux ones to before them; it needs Python
// 3.10, so targets from cp310 on have the new order and older ones the old. An
// older pip on a newer Python differs there, for wheels that no public index
// serves. A debug build of Python, and a `_manylinux` module that hides tags, are
// not known here.
//
// # Left to others
//
// Versions, yanked files, requires-python: builder plans with those.
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
