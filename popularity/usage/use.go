package usage

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"larder/popularity/misses"
	"larder/snapshot"
	"larder/snapshot/ecosystem"
)

// Environment is the client of artifacts that are mounted, installed, for a lock.
const Environment = "environment"

// Use is what one instance tells, before anybody knows what its snapshot stocks.
type Use struct {
	Attached  time.Time           `json:"attached"` // to the nanosecond: the name of the use
	Ended     time.Time           `json:"ended"`
	Snapshot  snapshot.ID         `json:"snapshot"`
	Container bool                `json:"container,omitempty"` // else a command
	Parts     []Part              `json:"parts"`
	Installed []ecosystem.Present `json:"installed,omitempty"` // outside of the mounts
}

// Part is what one mount tells.
type Part struct {
	Client string           `json:"client"`
	Layers []string         `json:"layers,omitempty"` // of an environment: its lowers in the snapshot
	Asked  []string         `json:"asked,omitempty"`  // keys of answers that an index gave
	Got    []ecosystem.Miss `json:"got,omitempty"`
}

// Of is the use that an instance's note and what was found in it make together. An instance without
// a note never got anything.
func Of(note snapshot.Attached, found misses.Found, installed []ecosystem.Present, ended time.Time) Use {
	u := Use{Attached: note.Time, Ended: ended.UTC().Truncate(time.Second), Snapshot: note.Snapshot,
		Container: note.Profile != "", Installed: installed, Parts: []Part{}}
	for _, m := range note.Mounts {
		if m.Dir == "" { // an environment at several directories is one
			continue
		}
		p := Part{Client: m.Part}
		if m.Part == Environment {
			p.Layers = m.Lowers
		}
		for _, f := range found.Parts {
			if f.Name == m.Dir {
				p.Asked, p.Got = f.Asked, f.Misses
			}
		}
		u.Parts = append(u.Parts, p)
	}
	return u
}

const maxInstalled = 1 << 20 // bytes; 1,000 projects are 150 kB

// ReadInstalled reads what release has found in the own files of an instance's container
// ([ecosystem.PresentName]); what cannot be read is nothing.
func ReadInstalled(dir string) (all []ecosystem.Present) {
	f, err := os.OpenFile(filepath.Join(dir, ecosystem.PresentName), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	defer f.Close()
	if json.NewDecoder(io.LimitReader(f, maxInstalled)).Decode(&all) != nil {
		return nil
	}
	var valid []ecosystem.Present
	for _, p := range all {
		e, ok := ecosystem.Find(p.Ecosystem)
		if !ok || e.Leftovers == nil {
			continue
		}
		p.Kind = ecosystem.Installed
		if p.Miss, ok = e.Leftovers.Valid(p.Miss); ok {
			valid = append(valid, p)
		}
	}
	return valid
}
