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

// ManifestFormat is the version of manifest.json.
const ManifestFormat = 1

// Manifest is /manifest.json of an image: for people, ls, show and diff. An attach never reads
// it. Encode sorts everything, so one content has one text.
type Manifest struct {
	Format       int                   `json:"format"`
	Targets      []Target              `json:"targets"`
	Wheels       []ManifestWheel       `json:"wheels"`
	Layers       []ManifestLayer       `json:"layers"`
	Environments []ManifestEnvironment `json:"environments"`
	Views        []string              `json:"views"`
}

// Target is an interpreter and platform the snapshot was made for; /targets/<tag>.json is one of
// these alone, so that an attach needs no manifest.
type Target struct {
	Tag     string            `json:"tag"`
	Python  string            `json:"python"`        // full version of the interpreter
	Markers map[string]string `json:"markers"`       // PEP 508 environment
	Pip     string            `json:"pip,omitempty"` // id of the layer with the target's pip
}

// ManifestWheel is one .whl file of the snapshot.
type ManifestWheel struct {
	Project        string   `json:"project"`
	Version        string   `json:"version"`
	Filename       string   `json:"filename"`
	SHA256         Digest   `json:"sha256"`
	Size           int64    `json:"size"`
	Index          string   `json:"index"`                    // root of the index page it came from, without credentials
	URL            string   `json:"url"`                      // where it was fetched, as the index page links it, without credentials and query
	Signed         bool     `json:"signed,omitempty"`         // that URL has a query, left out here: it may be a secret, and containers read this
	Metadata       bool     `json:"metadata,omitempty"`       // the index serves FILE.metadata, and it is the wheel's METADATA
	MetadataSHA256 Digest   `json:"metadata_sha256,omitzero"` // of the wheel's METADATA
	RequiresPython string   `json:"requires_python,omitempty"`
	Targets        []string `json:"targets"`
	// Ranks is the wheel's place in pip's order for each target, "" when not asked for.
	Ranks map[string]int `json:"ranks,omitempty"`
}

// ManifestLayer is a wheel as installed for one target.
type ManifestLayer struct {
	ID      string `json:"id"`
	Target  string `json:"target"`
	Project string `json:"project"`
	Version string `json:"version"`
	Wheel   Digest `json:"wheel"`
	Files   int    `json:"files"`
	Bytes   int64  `json:"bytes"`
}

// ManifestEnvironment is a lock given to the build, merged inside the image. Layers are topmost first.
type ManifestEnvironment struct {
	ID     string   `json:"id"`
	Target string   `json:"target"`
	Lock   string   `json:"lock"` // digest of its pins
	Name   string   `json:"name"` // file name of the lock
	Layers []string `json:"layers"`
}

// Encode returns the manifest's one text.
func (m *Manifest) Encode() ([]byte, error) {
	c := *m
	c.Format = ManifestFormat
	c.Targets = sorted(m.Targets, func(a, b Target) int { return cmp.Compare(a.Tag, b.Tag) })
	c.Wheels = sorted(m.Wheels, func(a, b ManifestWheel) int {
		return cmp.Or(cmp.Compare(a.Project, b.Project), cmp.Compare(a.Version, b.Version),
			cmp.Compare(a.Filename, b.Filename), bytes.Compare(a.SHA256[:], b.SHA256[:]))
	})
	for i := range c.Wheels {
		c.Wheels[i].Targets = sorted(c.Wheels[i].Targets, strings.Compare)
	}
	c.Layers = sorted(m.Layers, func(a, b ManifestLayer) int {
		return cmp.Or(cmp.Compare(a.Target, b.Target), cmp.Compare(a.Project, b.Project),
			cmp.Compare(a.Version, b.Version), bytes.Compare(a.Wheel[:], b.Wheel[:]), cmp.Compare(a.ID, b.ID))
	})
	c.Environments = sorted(m.Environments, func(a, b ManifestEnvironment) int {
		return cmp.Or(cmp.Compare(a.Target, b.Target), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Lock, b.Lock))
	})
	c.Views = sorted(m.Views, strings.Compare)
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // requires_python is full of < and >
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
		return nil, &problem{kind: ErrFormat, msg: fmt.Sprintf("manifest has format %d, and this program knows format %d", m.Format, ManifestFormat)}
	}
	return &m, nil
}
