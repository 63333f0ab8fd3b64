// Package npm is what store, mounts and builder share of npm's world: the client, the details that
// artifacts of a snapshot carry, the names of projects and targets, and integrity.
//
// # Words
//
// A [Tag] names a target in npm's own words, process.platform, process.arch and the C library:
// linux-x64-glibc. What npm unpacks is the same on all of them; a target says which of a lock's
// optional packages are wanted.
//
// A [Sum] is one digest of a tarball. An index's digest of an artifact is the hexadecimal form of the
// strongest that it publishes.
package npm

import (
	"bytes"
	"encoding/json"
	"fmt"

	"larder/snapshot"
	"larder/snapshot/ecosystem"
)

// Name is the ecosystem's package-url type.
const Name = "npm"

// The views, each below /views of the image: both are parts of npm's cache.
const (
	ViewNPM        = "npm"            // the tarballs
	ViewPackuments = "npm-packuments" // what registries said of packages, which soon is old: only for those who name it
)

// Clients are the tools whose caches are served. The view is mounted on the cache itself, which has
// the content one directory below: `npm cache clean` removes that, and cannot remove a mount point.
var Clients = []ecosystem.Client{
	{Name: "npm", Variable: "npm_config_cache", Dir: "~/.npm", Views: []string{ViewNPM, ViewPackuments}},
}

// Ecosystem is npm's row. A program adds the parts that it links.
var Ecosystem = ecosystem.Ecosystem{Name: Name, Artifact: "tarball", Clients: Clients, Attached: []string{ViewNPM}, Names: Names{}, Normalize: Project, Package: Package}

// Tarball is the detail of an artifact.
type Tarball struct {
	Integrity string `json:"integrity"`        // the strongest that the index publishes
	Shasum    string `json:"shasum,omitempty"` // SHA-1 in hexadecimal, where the index publishes one beside it

	Packument *Packument `json:"packument,omitempty"` // where view npm-packuments has it
}

// Packument is what a registry said of a package, of all its versions, and how npm can ask whether it still does.
type Packument struct {
	SHA256       snapshot.Digest `json:"sha256"` // of the JSON, an object in the pool
	Size         int64           `json:"size"`
	Integrity    string          `json:"integrity"` // of the same bytes
	URL          string          `json:"url"`
	Type         string          `json:"type"`
	ETag         string          `json:"etag,omitempty"`
	LastModified string          `json:"last_modified,omitempty"`
	CacheControl string          `json:"cache_control,omitempty"`
	Vary         string          `json:"vary,omitempty"`
}

// Object is its bytes in the pool.
func (p *Packument) Object() snapshot.Object { return snapshot.Object{Digest: p.SHA256} }

// TarballOf reads the detail of an artifact. One of another ecosystem, or one that is none, is
// snapshot.ErrDamaged.
func TarballOf(a snapshot.ManifestArtifact) (d Tarball, err error) {
	if a.Ecosystem != Name {
		return d, fmt.Errorf("artifact %s is of ecosystem %.40q, not %s: %w", a.Filename, a.Ecosystem, Name, snapshot.ErrDamaged)
	}
	if err := json.Unmarshal(a.Detail, &d); err != nil {
		return d, fmt.Errorf("detail of artifact %s: %w: %w", a.Filename, snapshot.ErrDamaged, err)
	}
	return d, nil
}

// Detail is the detail as an artifact carries it.
func (d Tarball) Detail() json.RawMessage {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(d); err != nil {
		panic(err) // strings: none can fail
	}
	return bytes.TrimSpace(b.Bytes())
}
