package snapshot

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// ManifestFormat is the version of manifest.json and of the rows below targets/. Format 1 knew
// one ecosystem only.
const ManifestFormat = 2

// Manifest is /manifest.json of an image: for people, ls, show and diff. An attach never reads
// it. Encode sorts everything, so one content has one text.
type Manifest struct {
	Format       int                   `json:"format"`
	Targets      []Target              `json:"targets"`
	Artifacts    []ManifestArtifact    `json:"artifacts"`
	Layers       []ManifestLayer       `json:"layers"`
	Environments []ManifestEnvironment `json:"environments"`
	Views        []string              `json:"views"`
	Filled       []ManifestFill        `json:"filled,omitempty"`
}

// Target is what layers are made for, such as an interpreter and a platform; /targets/<tag>.json
// is one of these alone, so that an attach needs no manifest.
type Target struct {
	Format    int             `json:"format"`
	Ecosystem string          `json:"ecosystem"`
	Tag       string          `json:"tag"`                 // unique in a snapshot, whatever the ecosystem
	Detail    json.RawMessage `json:"detail,omitempty"`    // what only the ecosystem can read
	Installer string          `json:"installer,omitempty"` // id of the layer with the ecosystem's own installer, for environments without one
}

// ManifestArtifact is one file of an ecosystem's index.
type ManifestArtifact struct {
	Ecosystem string          `json:"ecosystem"`
	Project   string          `json:"project"`
	Version   string          `json:"version"`
	Filename  string          `json:"filename"`
	SHA256    Digest          `json:"sha256"`
	Size      int64           `json:"size"`
	Index     string          `json:"index"`            // root of the index page it came from, without credentials
	URL       string          `json:"url"`              // where it was fetched, as the index page links it, without credentials and query
	Signed    bool            `json:"signed,omitempty"` // that URL has a query, left out here: it may be a secret, and containers read this
	Targets   []string        `json:"targets"`
	Built     *ManifestBuilt  `json:"built,omitempty"`  // nil: it is as the index publishes it
	Detail    json.RawMessage `json:"detail,omitempty"` // what only the ecosystem can read
}

// ManifestBuilt says that an artifact was built from a source. Index and URL of its row are the source's;
// Filename, SHA256 and Size are its own.
type ManifestBuilt struct {
	Source Digest `json:"source"`         // SHA-256 of its bytes
	Recipe Digest `json:"recipe"`         // names all that decides its bytes: recipes/<digest>.json of the store
	Kind   string `json:"kind"`           // Pure or Native
	Size   int64  `json:"size,omitempty"` // of the source, in bytes; 0 is not known
}

// Digests are those by which the artifact can be denied: its own, and that of its source.
func (a ManifestArtifact) Digests() []string {
	if a.Built == nil {
		return []string{a.SHA256.String()}
	}
	return []string{a.SHA256.String(), a.Built.Source.String()}
}

// ManifestLayer is an artifact as installed for one target.
type ManifestLayer struct {
	ID       string `json:"id"`
	Target   string `json:"target"`
	Project  string `json:"project"`
	Version  string `json:"version"`
	Artifact Digest `json:"artifact"`
	Files    int    `json:"files"`
	Bytes    int64  `json:"bytes"`
}

// ManifestEnvironment is a lock given to the build, merged inside the image. Layers are topmost first.
type ManifestEnvironment struct {
	ID     string   `json:"id"`
	Target string   `json:"target"`
	Lock   string   `json:"lock"` // digest of its pins
	Name   string   `json:"name"` // file name of the lock
	Layers []string `json:"layers"`
	// Places are where which of Layers lies, of an environment that has them elsewhere than at its root; Own
	// are its own files; Mounts are where its directories 0, 1, … go, of one that is mounted at several.
	Places map[string]int `json:"places,omitempty"`
	Own    []ManifestOwn  `json:"own,omitempty"`
	Mounts []string       `json:"mounts,omitempty"`
}

// ManifestOwn is a file of an environment's own, or a link.
type ManifestOwn struct {
	Path   string `json:"path"`
	SHA256 Digest `json:"sha256,omitzero"`
	Link   string `json:"link,omitempty"`
}

// ManifestFill is a view that a client's own programs wrote. A build of the same programs takes over
// what it has of a project whose key is the same.
type ManifestFill struct {
	View     string            `json:"view"`
	Programs []string          `json:"programs"` // names and versions, sorted
	Projects map[string]string `json:"projects"` // key by project: a digest of all that decides its files
}

// Encode returns the manifest's one text.
func (m *Manifest) Encode() ([]byte, error) {
	c := *m
	c.Format = ManifestFormat
	c.Targets = sorted(m.Targets, func(a, b Target) int { return cmp.Compare(a.Tag, b.Tag) })
	for i := range c.Targets {
		c.Targets[i].Format = ManifestFormat
	}
	c.Artifacts = sorted(m.Artifacts, func(a, b ManifestArtifact) int {
		return cmp.Or(cmp.Compare(a.Ecosystem, b.Ecosystem), cmp.Compare(a.Project, b.Project), cmp.Compare(a.Version, b.Version),
			cmp.Compare(a.Filename, b.Filename), bytes.Compare(a.SHA256[:], b.SHA256[:]))
	})
	for i := range c.Artifacts {
		c.Artifacts[i].Targets = sorted(c.Artifacts[i].Targets, strings.Compare)
	}
	c.Layers = sorted(m.Layers, func(a, b ManifestLayer) int {
		return cmp.Or(cmp.Compare(a.Target, b.Target), cmp.Compare(a.Project, b.Project),
			cmp.Compare(a.Version, b.Version), bytes.Compare(a.Artifact[:], b.Artifact[:]), cmp.Compare(a.ID, b.ID))
	})
	c.Environments = sorted(m.Environments, func(a, b ManifestEnvironment) int {
		return cmp.Or(cmp.Compare(a.Target, b.Target), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Lock, b.Lock))
	})
	c.Views = sorted(m.Views, strings.Compare)
	if len(m.Filled) > 0 {
		c.Filled = sorted(m.Filled, func(a, b ManifestFill) int { return cmp.Compare(a.View, b.View) })
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // version specifiers are full of < and >
	enc.SetIndent("", " ")
	if err := enc.Encode(&c); err != nil {
		return nil, fmt.Errorf("encode manifest: %w", err)
	}
	return b.Bytes(), nil
}

// sorted returns a sorted copy that is never nil, so that JSON has [] and not null.
func sorted[T any](in []T, less func(a, b T) int) []T {
	out := append(make([]T, 0, len(in)), in...)
	slices.SortFunc(out, less)
	return out
}

// ParseManifest reads what Encode wrote. A newer format is ErrFormat: it may hold what this
// program would show wrongly.
func ParseManifest(r io.Reader) (*Manifest, error) {
	const limit = 256 << 20 // 1,000 projects make about 1 MB
	lr := &io.LimitedReader{R: r, N: limit + 1}
	dec := json.NewDecoder(lr)
	var m Manifest
	if err := dec.Decode(&m); err != nil {
		if lr.N <= 0 {
			err = errors.New("longer than 256 MB")
		}
		return nil, fmt.Errorf("parse manifest: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("parse manifest: data after its end")
	}
	if m.Format != ManifestFormat {
		return nil, wrongFormat("manifest", m.Format)
	}
	return &m, nil
}

// wrongFormat refuses what another version of this program wrote. The first wrote no format into
// the rows of targets.
func wrongFormat(what string, format int) error {
	p := &problem{kind: ErrFormat, msg: fmt.Sprintf("%s has format %d, and this program knows format %d", what, max(format, 1), ManifestFormat)}
	if format < ManifestFormat { // in the message, too: a warning has no line for hints
		p.msg += ": larder build makes the snapshot again"
		p.hint = "larder build takes what it can from the old one"
	}
	return p
}
