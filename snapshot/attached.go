package snapshot

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"time"
)

// Attached is the note, in an instance, of what its container or command got. It is for people and for
// counting: nothing that mounts or deletes goes by it, and it is not synced.
type Attached struct {
	Format   int       `json:"format"`
	Time     time.Time `json:"time"` // to the nanosecond: no two of a host are alike
	Snapshot ID        `json:"snapshot"`
	Profile  string    `json:"profile,omitempty"` // "" for a command
	View     string    `json:"view,omitempty"`    // where the read-only view is
	Mounts   []Mounted `json:"mounts"`
}

// Mounted is one mount of an instance.
type Mounted struct {
	Part   string   `json:"part"`             // a client, or "environment"
	Dir    string   `json:"dir"`              // its directory's name in the instance; "" of a further part of the one before
	Path   string   `json:"path"`             // in the container
	Lowers []string `json:"lowers,omitempty"` // in the snapshot, topmost first
}

// AttachedName is the note's file in an instance.
const AttachedName = "attached.json"

const (
	attachedFormat = 1
	maxAttached    = 1 << 20 // 500 layers are 10 kB
)

// Encode returns the note's text.
func (a Attached) Encode() ([]byte, error) {
	a.Format = attachedFormat
	b, err := json.Marshal(a)
	return append(b, '\n'), err
}

// ReadAttached reads the note in the instance at dir; fs.ErrNotExist: there is none.
func ReadAttached(dir string) (Attached, error) {
	b, err := readSmall(filepath.Join(dir, AttachedName), maxAttached)
	if err != nil {
		return Attached{}, err
	}
	var a Attached
	if err := json.Unmarshal(b, &a); err != nil {
		return Attached{}, fmt.Errorf("read %s: %w", AttachedName, err)
	}
	if a.Format != attachedFormat {
		return Attached{}, errors.New("read " + AttachedName + ": of another version of this program")
	}
	return a, nil
}
