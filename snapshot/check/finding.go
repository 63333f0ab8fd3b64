package check

import (
	"fmt"
	"slices"
	"strings"

	"larder/snapshot"
)

// Kind is what is damaged.
type Kind string

const (
	KindStore    Kind = "store"    // a file or directory around the snapshots
	KindSnapshot Kind = "snapshot" // a snapshot's directory, or what is in it beside the image
	KindImage    Kind = "image"
	KindManifest Kind = "manifest"
	KindObject   Kind = "object"
	KindLease    Kind = "lease"
	KindPrivate  Kind = "private image"
)

// Use is a file of a snapshot.
type Use struct {
	Snapshot snapshot.ID
	Path     string // in the image
}

// Finding is one thing that is wrong.
type Finding struct {
	Kind   Kind            `json:"kind"`
	Path   string          `json:"path"`            // of what is damaged, below the store
	Object snapshot.Object `json:"object,omitzero"` // of kind object
	Size   int64           `json:"size,omitempty"`  // in bytes, that images say the object has
	IDs    []snapshot.ID   `json:"snapshots"`       // that are damaged, or use the object
	Uses   []Use           `json:"-"`               // every file that has the object's bytes
	Paths  []string        `json:"paths"`           // the first few of them, in the images
	More   int             `json:"more"`            // how many paths besides
	Detail string          `json:"detail"`          // what is wrong with it
	Fix    string          `json:"fix"`             // the command that mends it
	// Harmless: nothing that is promised is missing or changed. Something lies in the store that
	// is not its own, or a snapshot is of another version of this program.
	Harmless bool `json:"harmless,omitempty"`
}

// fewPaths is how many of the paths of an object are named.
const fewPaths = 3

// use adds a file of a snapshot that has the object's bytes.
func (f *Finding) use(u Use) {
	f.Uses = append(f.Uses, u)
	if !slices.Contains(f.IDs, u.Snapshot) {
		f.IDs = append(f.IDs, u.Snapshot)
	}
	if len(f.Paths) < fewPaths {
		f.Paths = append(f.Paths, u.Path)
	} else {
		f.More++
	}
}

// String is the finding as one line.
func (f Finding) String() string {
	what := string(f.Kind)
	if !f.Harmless {
		what = "damaged " + what
	}
	line := fmt.Sprintf("%s%s: %s%s", what, f.whose(), f.Detail, f.usedBy())
	if f.Fix != "" {
		line += "; hint: " + f.Fix
	}
	return line
}

// whose names the object, or the snapshot that is damaged.
func (f Finding) whose() string {
	switch {
	case f.Kind == KindObject && f.Object.Exec:
		return " sha256:" + f.Object.Digest.String() + " (executable)"
	case f.Kind == KindObject:
		return " sha256:" + f.Object.Digest.String()
	case len(f.IDs) == 0:
		return ""
	case f.Kind == KindSnapshot:
		return " " + f.IDs[0].Short()
	}
	return " of snapshot " + f.IDs[0].Short()
}

func (f Finding) usedBy() string {
	if f.Kind != KindObject {
		return ""
	}
	if len(f.IDs) == 0 {
		return "; no snapshot uses it"
	}
	parts := make([]string, len(f.IDs))
	for i, id := range f.IDs {
		parts[i] = "snapshot " + id.Short()
	}
	used := "; used by " + strings.Join(append(parts, f.Paths...), ", ")
	if f.More > 0 {
		used += fmt.Sprintf(" and %d more", f.More)
	}
	return used
}

// Report is what was looked at and found.
type Report struct {
	Full      bool      `json:"full"`
	Subset    string    `json:"subset,omitempty"` // the part that was read, as 1/7
	Snapshots int       `json:"snapshots"`
	Objects   int       `json:"objects"`
	Bytes     int64     `json:"bytes"`      // of the objects
	Read      int       `json:"read"`       // objects of which every byte was read, those no snapshot uses included
	ReadBytes int64     `json:"read_bytes"` // of them
	Findings  []Finding `json:"findings"`
}

// Damaged says whether something that a store promises is not there, or not what it was.
func (r *Report) Damaged() bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return !f.Harmless })
}
